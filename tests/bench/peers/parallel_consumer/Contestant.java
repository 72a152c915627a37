import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Confluent Parallel Consumer, transactional, order by key, as its users write it. Options after the four addresses:
 * "eager" lets handlers start during a commit, "commit=MS" and "threads=N" change its defaults.
 */
public final class Contestant {
    public static void main(String[] arguments) {
        String bootstrap = arguments[0];
        String source = arguments[1];
        String sink = arguments[2];
        String group = arguments[3];
        Map<String, Object> reading = new HashMap<>();
        reading.put("bootstrap.servers", bootstrap);
        reading.put("group.id", group);
        reading.put("enable.auto.commit", false);
        reading.put("auto.offset.reset", "earliest");
        reading.put("isolation.level", "read_committed");
        Map<String, Object> writing = new HashMap<>();
        writing.put("bootstrap.servers", bootstrap);
        writing.put("transactional.id", group);
        var key = new ByteArrayDeserializer();
        var bytes = new ByteArraySerializer();
        var options = ParallelConsumerOptions.<byte[], byte[]>builder()
                .consumer(new KafkaConsumer<>(reading, key, new ByteArrayDeserializer()))
                .producer(new KafkaProducer<>(writing, bytes, new ByteArraySerializer()))
                .ordering(ProcessingOrder.KEY)
                .commitMode(CommitMode.PERIODIC_TRANSACTIONAL_PRODUCER)
                // a handler may take five seconds here, and longer than that for the lock
                .commitLockAcquisitionTimeout(Duration.ofMinutes(2))
                .produceLockAcquisitionTimeout(Duration.ofMinutes(2));
        for (String option : Arrays.asList(arguments).subList(4, arguments.length)) {
            if (option.equals("eager")) {
                options.allowEagerProcessingDuringTransactionCommit(true);
            } else if (option.startsWith("commit=")) {
                options.commitInterval(Duration.ofMillis(Long.parseLong(option.substring(7))));
            } else if (option.startsWith("threads=")) {
                options.maxConcurrency(Integer.parseInt(option.substring(8)));
            } else {
                throw new IllegalArgumentException(option);
            }
        }
        var processor = ParallelStreamProcessor.createEosStreamProcessor(options.build());
        processor.subscribe(List.of(source));
        processor.pollAndProduce(context -> {
            pause(context.value());
            return new ProducerRecord<>(sink, context.key(), context.value());
        });
    }

    private static void pause(byte[] value) {
        int micros = ByteBuffer.wrap(value).getInt(8);
        if (micros > 0) {
            try {
                Thread.sleep(micros / 1000, micros % 1000 * 1000);
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
