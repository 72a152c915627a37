import java.nio.ByteBuffer;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Kafka Streams with exactly_once_v2, as its users write it. After the four addresses: the number of threads, and the
 * commit interval in milliseconds if it is not to be the default.
 */
public final class Contestant {
    public static void main(String[] arguments) throws Exception {
        String group = arguments[3];
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("application.id", group);
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("auto.offset.reset", "earliest");
        settings.put("replication.factor", 1);
        settings.put("state.dir", System.getProperty("java.io.tmpdir") + "/" + group + "-" + ProcessHandle.current().pid());
        settings.put("num.stream.threads", Integer.parseInt(arguments[4]));
        if (arguments.length > 5) {
            settings.put("commit.interval.ms", Integer.parseInt(arguments[5]));
        }
        var bytes = Serdes.ByteArray();
        var builder = new StreamsBuilder();
        builder.stream(arguments[1], Consumed.with(bytes, bytes))
                .mapValues(Contestant::pause)
                .to(arguments[2], Produced.with(bytes, bytes));
        var streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static byte[] pause(byte[] value) {
        int micros = ByteBuffer.wrap(value).getInt(8);
        if (micros > 0) {
            try {
                Thread.sleep(micros / 1000, micros % 1000 * 1000);
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
        }
        return value;
    }
}
