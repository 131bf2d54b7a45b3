// Hello from Java: a plain method, whose event and answer are records. A class that implements RequestHandler or
// RequestStreamHandler works as well; compile it with aws-lambda-java-core, or runtimes/java/runtime.jar, on the class path.
// Runtime: java17; handler: Hello::greet; build: javac --release 17 Hello.java
// Event: {"name": "...", "times": 1}

import java.util.Collections;

public class Hello {
    public record Event(String name, int times) {
    }

    public record Answer(String message, int javaVersion) {
    }

    public Answer greet(Event event) {
        String name = event.name() == null ? "world" : event.name();
        System.out.println("greeting " + name);
        String greetings = String.join(" ", Collections.nCopies(Math.max(1, event.times()), "Hello, " + name + "!"));
        return new Answer(greetings, Runtime.version().feature());
    }
}
