package dev.sinkwell.internal

import java.lang.reflect.InvocationTargetException
import java.lang.reflect.Method
import java.lang.reflect.Modifier

/** How the members of a record, or of a class with getters, are read. */
internal object Shape {
    /** One member: its name, and how it is read. */
    internal class Member(
        private val name: String,
        private val method: Method,
    ) {
        operator fun component1() = name

        operator fun component2() = this

        fun invoke(value: Any): Any? =
            try {
                method.invoke(value)
            } catch (e: InvocationTargetException) {
                throw e.targetException
            }
    }

    private val shapes =
        object : ClassValue<List<Member>>() {
            override fun computeValue(type: Class<*>): List<Member> = (if (type.isRecord) components(type) else getters(type))
        }

    /** None for classes of the platform's own, and for those that have no member. */
    fun of(type: Class<*>): List<Member>? {
        if (type.isSynthetic || type.isHidden || type.classLoader == null || type.name.startsWith("java.") || type.name.startsWith("kotlin.")) {
            return null
        }
        return shapes.get(type).ifEmpty { null.takeUnless { type.isRecord } ?: emptyList() }
    }

    private fun components(type: Class<*>) =
        type.recordComponents.map { component ->
            Member(component.name, component.accessor.apply { trySetAccessible() })
        }

    private fun getters(type: Class<*>): List<Member> =
        type.methods
            .filter { it.parameterCount == 0 && !Modifier.isStatic(it.modifiers) && !it.isBridge && it.declaringClass != Any::class.java }
            .mapNotNull { method -> nameOf(method)?.let { Member(it, method.apply { trySetAccessible() }) } }
            .sortedBy { it.component1() }

    private fun nameOf(method: Method): String? {
        val name = method.name
        return when {
            name.length > 3 && name.startsWith("get") && name[3].isUpperCase() && method.returnType != Void.TYPE -> decapitalized(name.substring(3))
            name.length > 2 && name.startsWith("is") && name[2].isUpperCase() && method.returnType == Boolean::class.java -> decapitalized(name.substring(2))
            else -> null
        }
    }

    /** As the JavaBeans have it: `getURL` is `URL`. */
    private fun decapitalized(name: String) =
        if (name.length > 1 && name[0].isUpperCase() && name[1].isUpperCase()) name else name.replaceFirstChar { it.lowercaseChar() }
}
