package dev.sinkwell.internal

import java.lang.reflect.InvocationTargetException
import java.lang.reflect.Method
import java.lang.reflect.Modifier
import java.util.Optional

/** How the members of a record, or of a class with getters, are read. */
internal object Shape {
    /** One member: its name, and how it is read. */
    internal class Member(
        private val name: String,
        private val method: Method,
    ) {
        /** Whether a value class of Kotlin's own is meant, as `UInt`: what the method answers is another number. */
        val isOfKotlin: Boolean = method.name.substringAfter('-', "") in KOTLINS

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

    private val unboxing =
        object : ClassValue<Optional<Member>>() {
            override fun computeValue(type: Class<*>): Optional<Member> {
                val unbox = if (type.isAnnotationPresent(JvmInline::class.java)) type.methods.find { it.name == "unbox-impl" } else null
                return Optional.ofNullable(unbox?.let { Member("", it.apply { trySetAccessible() }) })
            }
        }

    /** None for classes of the platform's own, and for those that have no member: nobody knows what of them was meant. */
    fun of(type: Class<*>): List<Member>? = if (isOfPlatform(type)) null else shapes.get(type).takeUnless { it.isEmpty() && !type.isRecord }

    /** How the value is read that a value class of Kotlin's stands for; null: it is no such class. */
    fun unboxed(type: Class<*>): Member? = if (isOfPlatform(type)) null else unboxing.get(type).orElse(null)

    private fun isOfPlatform(type: Class<*>) =
        type.isSynthetic || type.isHidden || type.classLoader == null || type.name.startsWith("java.") || type.name.startsWith("kotlin.")

    private fun components(type: Class<*>) =
        type.recordComponents.map { component ->
            Member(component.name, component.accessor.apply { trySetAccessible() })
        }

    private fun getters(type: Class<*>): List<Member> =
        type.methods
            .filter { it.parameterCount == 0 && !Modifier.isStatic(it.modifiers) && !it.isBridge && it.declaringClass != Any::class.java }
            .mapNotNull { method -> nameOf(method)?.let { Member(it, method.apply { trySetAccessible() }) } }
            .sortedBy { it.component1() }

    /**
     * What Kotlin has added to a name is none of it: `getId-eEFUqEU` reads `id`, which is of a value class. What is `internal` in Kotlin,
     * as `getId$module` shows, is no member.
     */
    private fun nameOf(method: Method): String? {
        if ('$' in method.name && method.declaringClass.isAnnotationPresent(Metadata::class.java)) return null
        val name = method.name.substringBefore('-')
        return when {
            name.length > 3 && name.startsWith("get") && name[3].isUpperCase() && method.returnType != Void.TYPE -> decapitalized(name.substring(3))
            name.length > 2 && name.startsWith("is") && name[2].isUpperCase() && method.returnType == Boolean::class.java -> decapitalized(name.substring(2))
            else -> null
        }
    }

    /** As the JavaBeans have it: `getURL` is `URL`. */
    private fun decapitalized(name: String) =
        if (name.length > 1 && name[0].isUpperCase() && name[1].isUpperCase()) name else name.replaceFirstChar { it.lowercaseChar() }

    /** What Kotlin adds to the name of a getter of `UInt`, `ULong`, `UByte`, `UShort` and `Duration`. */
    private val KOTLINS = setOf("pVg5ArA", "s-VKNKU", "w2LRezQ", "Mh2AYeg", "UwyO8pc")
}
