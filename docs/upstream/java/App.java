// A sample application on the JDK's own server.

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;
import java.util.function.DoubleSupplier;

public final class App {
    public static void main(String[] arguments) throws IOException {
        String issuer = System.getenv("GATEWAY_ISSUER");
        String clockFile = System.getenv("CLOCK_FILE");
        // Only for tests: the time stands in a file.
        DoubleSupplier now = clockFile == null ? () -> System.currentTimeMillis() / 1000.0 : () -> timeIn(Path.of(clockFile));
        String jwksUrl = System.getenv().getOrDefault("GATEWAY_JWKS_URL", issuer + "/_gate/jwks.json");
        GatewayIdentity gate = new GatewayIdentity(issuer, System.getenv("GATEWAY_AUDIENCE"), jwksUrl, now);
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "3000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> {
            try {
                // Handed on as a parameter: an attribute of HttpExchange belongs to all requests of its context.
                answer(exchange, gate.verify(exchange.getRequestHeaders().get("x-identity-assertion")));
            } catch (GatewayIdentity.Refused refused) {
                System.err.println(refused.getMessage());
                refuse(exchange, 401);
            } catch (GatewayIdentity.KeysUnavailable unavailable) {
                refuse(exchange, 503);
            }
        });
        server.start();
        System.out.println("listening on " + server.getAddress().getPort());
    }

    private static void refuse(HttpExchange exchange, int status) throws IOException {
        exchange.getResponseHeaders().set("WWW-Authenticate", "GatewayIdentity");
        exchange.getResponseHeaders().set("Cache-Control", "no-store");
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    private static void answer(HttpExchange exchange, GatewayIdentity.Identity identity) throws IOException {
        String json = "{\"subject\":" + quote(identity.subject()) + ",\"tenant\":" + quote(identity.tenant())
            + ",\"tenantName\":" + quote(identity.tenantName()) + ",\"user\":" + quote(identity.user())
            + ",\"name\":" + quote(identity.name()) + ",\"role\":" + quote(identity.role())
            + ",\"department\":" + quote(identity.department()) + ",\"instance\":" + quote(identity.instance())
            + ",\"access\":" + quote(identity.access()) + ",\"expiresAt\":" + identity.expiresAt() + "}";
        byte[] body = json.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char character : text.toCharArray()) {
            if (character < ' ' || character == '"' || character == '\\') quoted.append(String.format("\\u%04x", (int) character));
            else quoted.append(character);
        }
        return quoted.append('"').toString();
    }

    private static double timeIn(Path file) {
        try {
            return Double.parseDouble(Files.readString(file).trim());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
