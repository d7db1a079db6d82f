import ch.qos.logback.classic.LoggerContext;
import io.opentelemetry.sdk.common.export.MemoryMode;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import java.util.stream.Collectors;

/**
 * What sinkwell costs a JVM program beside the OpenTelemetry SDK, Logback, and signing by hand. One run of one candidate, in a
 * process of its own; bench/rust asks, counts what arrives, and makes the table:
 *
 * <pre>
 * java -cp … Bench run CANDIDATE LOAD PORT DIR
 * java -cp … Bench facts
 * </pre>
 */
public final class Bench {
    private Bench() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 1 && arguments[0].equals("facts")) {
            System.out.printf(
                    "%s %s, opentelemetry-sdk-logs %s (exporter %s), logback-classic %s%n",
                    System.getProperty("java.vm.name"),
                    Runtime.version(),
                    version(SdkLoggerProvider.class),
                    MemoryMode.REUSABLE_DATA,
                    version(LoggerContext.class));
        } else if (arguments.length == 5 && arguments[0].equals("run")) {
            var load = Measure.Load.read(arguments[2]);
            var figures = Measure.run(Candidate.open(arguments[1], arguments[3], arguments[4]), load);
            System.out.println(figures.entrySet().stream()
                    .map(figure -> figure.getKey() + "=" + figure.getValue())
                    .collect(Collectors.joining(" ")));
            System.out.flush();
            // What has answered need not wait for anybody's threads.
            Runtime.getRuntime().halt(0);
        } else {
            System.err.println("usage: Bench run CANDIDATE LOAD PORT DIR | Bench facts");
            System.exit(1);
        }
    }

    /** As its jar's name has it: some say nothing in their manifest. */
    private static String version(Class<?> type) {
        var jar = type.getProtectionDomain().getCodeSource().getLocation().getPath();
        var name = jar.substring(jar.lastIndexOf('/') + 1).replaceFirst("\\.jar$", "");
        return name.substring(name.lastIndexOf('-') + 1);
    }
}
