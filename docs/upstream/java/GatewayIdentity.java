// Copy this file into your application (and give it your package). Java 17 or newer, no dependency.
//
//   static final GatewayIdentity GATE = new GatewayIdentity(issuer, audience);                 // one: it keeps the keys
//   GatewayIdentity.Identity identity = GATE.verify(allValuesOfTheHeader);                     // of x-identity-assertion
//   catch GatewayIdentity.Refused → 401, GatewayIdentity.KeysUnavailable → 503

import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECFieldFp;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.DoubleSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Verifies the identity assertion of the gateway. Safe to use from several threads. */
public final class GatewayIdentity {
    /** How far the two machines' clocks may be apart. */
    private static final long LEEWAY_SECONDS = 30;
    /** The gateway never gives longer. */
    private static final long MAX_LIFETIME_SECONDS = 300;
    private static final int MAX_TOKEN_LENGTH = 8192;

    private static final int MAX_KEY_SET_LENGTH = 65_536;
    private static final long FETCH_TIMEOUT_SECONDS = 5;
    /** A key that we don't know makes us look again, but not at any caller's pace. */
    private static final long SECONDS_BETWEEN_FETCHES = 60;
    private static final long SECONDS_AFTER_FAILURE = 5;
    /** So long old keys serve while new ones can't be had. */
    private static final long MAX_STALE_SECONDS = 3600;

    private static final Pattern THREE_PARTS = Pattern.compile("([A-Za-z0-9_-]+)\\.([A-Za-z0-9_-]+)\\.([A-Za-z0-9_-]*)");
    /** 64 bytes, spelled in the one way that leaves the unused bits zero. */
    private static final Pattern SIGNATURE = Pattern.compile("[A-Za-z0-9_-]{85}[AQgw]");
    private static final Pattern MAX_AGE = Pattern.compile("(?:^|[\\s,])max-age=([0-9]{1,6})(?:$|[\\s,])", Pattern.CASE_INSENSITIVE);
    /** They would bring a key, or rules, of their own (RFC 7515 §4.1, RFC 7797). The key comes from the gateway's address alone. */
    private static final List<String> REFUSED_HEADER_MEMBERS = List.of("crit", "b64", "jwk", "jku", "x5u", "x5c");
    private static final List<String> TEXTS =
        List.of("sub", "jti", "tenant", "tenant_name", "user", "name", "role", "department", "instance", "access");
    private static final List<String> NEVER_EMPTY = List.of("sub", "jti", "tenant", "user", "access");

    /** Who the request acts as. {@code subject} is stable and unique over all tenants; store that. */
    public record Identity(String subject, String tenant, String tenantName, String user, String name, String role,
                           String department, String instance, String access, long expiresAt) {}

    /** The reason is for the log; whoever asks learns nothing but 401. */
    public static final class Refused extends Exception {
        public final String reason;

        Refused(String reason) {
            super("identity refused: " + reason, null, false, false);
            this.reason = reason;
        }
    }

    /** Nobody's fault in the request: the gateway's keys can't be had. Answer 503. */
    public static final class KeysUnavailable extends Exception {}

    private record Keys(Map<String, PublicKey> byId, double freshUntil) {}

    private final String issuer;
    private final String audience;
    private final URI jwksUrl;
    private final DoubleSupplier now;
    private final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(FETCH_TIMEOUT_SECONDS))
        .followRedirects(HttpClient.Redirect.NEVER).build();
    /** Exchanged whole, so that who reads it without the lock sees keys and their time together. */
    private volatile Keys keys = new Keys(Map.of(), 0);
    private double mayFetchAt;

    /** @param issuer the gateway's public origin @param audience your appId */
    public GatewayIdentity(String issuer, String audience) {
        this(issuer, audience, issuer + "/_gate/jwks.json", () -> System.currentTimeMillis() / 1000.0);
    }

    /** @param now epoch seconds, for tests */
    public GatewayIdentity(String issuer, String audience, String jwksUrl, DoubleSupplier now) {
        if (issuer == null || issuer.isEmpty() || audience == null || audience.isEmpty()) {
            throw new IllegalArgumentException("issuer and audience are needed: without them a token for anybody would do");
        }
        this.issuer = issuer;
        this.audience = audience;
        this.jwksUrl = URI.create(jwksUrl);
        this.now = now;
    }

    /** @param values of the header x-identity-assertion, as many as came; null if none did */
    public Identity verify(List<String> values) throws Refused, KeysUnavailable {
        if (values == null || values.isEmpty()) throw new Refused("missing");
        String token = values.get(0);
        if (values.size() > 1 || token.length() > MAX_TOKEN_LENGTH) throw new Refused("malformed");
        Matcher parts = THREE_PARTS.matcher(token);
        if (!parts.matches()) throw new Refused("malformed");
        PublicKey key = keyFor(judgeHeader(parseObject(parts.group(1))));
        if (!SIGNATURE.matcher(parts.group(3)).matches()) throw new Refused("signature");
        byte[] signed = token.substring(0, parts.end(2)).getBytes(StandardCharsets.US_ASCII);
        if (!isSignedBy(key, signed, Base64.getUrlDecoder().decode(parts.group(3)))) throw new Refused("signature");
        return judgeClaims(parseObject(parts.group(2)));
    }

    private static String judgeHeader(Map<String, Object> header) throws Refused {
        for (String name : REFUSED_HEADER_MEMBERS) if (header.containsKey(name)) throw new Refused("header");
        if (!"ES256".equals(header.get("alg"))) throw new Refused("alg");
        if (!"gateway-identity+jwt".equals(header.get("typ"))) throw new Refused("typ");
        if (!(header.get("kid") instanceof String kid)) throw new Refused("kid");
        return kid;
    }

    private static boolean isSignedBy(PublicKey key, byte[] signed, byte[] signature) {
        // Java before 17.0.3 takes zeros for a signature of everything (CVE-2022-21449).
        if (isZero(signature, 0, 32) || isZero(signature, 32, 64)) return false;
        try {
            Signature verifier = Signature.getInstance("SHA256withECDSAinP1363Format");
            verifier.initVerify(key);
            verifier.update(signed);
            return verifier.verify(signature);
        } catch (GeneralSecurityException error) {
            return false;
        }
    }

    private static boolean isZero(byte[] bytes, int from, int to) {
        return new BigInteger(1, Arrays.copyOfRange(bytes, from, to)).signum() == 0;
    }

    private Identity judgeClaims(Map<String, Object> claims) throws Refused {
        if (!issuer.equals(claims.get("iss"))) throw new Refused("iss");
        // Only as the gateway writes it: for us alone, no list.
        if (!audience.equals(claims.get("aud"))) throw new Refused("aud");
        if (!(claims.get("iat") instanceof Long iat) || !(claims.get("exp") instanceof Long exp)) throw new Refused("time");
        if (!(claims.getOrDefault("nbf", iat) instanceof Long nbf)) throw new Refused("time");
        double time = now.getAsDouble();
        if ((double) exp + LEEWAY_SECONDS <= time || Math.max(iat, nbf) > time + LEEWAY_SECONDS) throw new Refused("time");
        if ((double) exp - (double) iat > MAX_LIFETIME_SECONDS) throw new Refused("time");
        for (String name : TEXTS) if (!(claims.get(name) instanceof String)) throw new Refused("claims");
        for (String name : NEVER_EMPTY) if (claims.get(name).equals("")) throw new Refused("claims");
        return new Identity((String) claims.get("sub"), (String) claims.get("tenant"), (String) claims.get("tenant_name"),
            (String) claims.get("user"), (String) claims.get("name"), (String) claims.get("role"), (String) claims.get("department"),
            (String) claims.get("instance"), (String) claims.get("access"), exp);
    }

    private PublicKey keyFor(String kid) throws Refused, KeysUnavailable {
        Keys known = keys;
        if (now.getAsDouble() >= known.freshUntil || !known.byId.containsKey(kid)) {
            refresh();
            known = keys;
        }
        if (now.getAsDouble() >= known.freshUntil + MAX_STALE_SECONDS) throw new KeysUnavailable();
        PublicKey key = known.byId.get(kid);
        if (key == null) throw new Refused("kid");
        return key;
    }

    private synchronized void refresh() {
        if (now.getAsDouble() < mayFetchAt) return;
        mayFetchAt = now.getAsDouble() + SECONDS_AFTER_FAILURE;
        try {
            keys = fetchKeys();
            mayFetchAt = now.getAsDouble() + SECONDS_BETWEEN_FETCHES;
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        } catch (IOException | ExecutionException | TimeoutException | Refused error) {
            System.getLogger("GatewayIdentity").log(System.Logger.Level.WARNING, "the gateway''s keys can''t be had: {0}", error);
        }
    }

    private Keys fetchKeys() throws IOException, InterruptedException, ExecutionException, TimeoutException, Refused {
        HttpRequest request = HttpRequest.newBuilder(jwksUrl).build();
        // The wait bounds the whole answer; the request's own timeout would end with its headers.
        HttpResponse<byte[]> answer = client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray())
            .get(FETCH_TIMEOUT_SECONDS, TimeUnit.SECONDS);
        if (answer.statusCode() != 200 || answer.body().length > MAX_KEY_SET_LENGTH) {
            throw new IOException(answer.statusCode() + ", " + answer.body().length + " bytes");
        }
        if (!(parseObject(answer.body()).get("keys") instanceof List<?> found)) throw new IOException("no key set");
        Map<String, PublicKey> byId = new HashMap<>();
        for (Object item : found) {
            // One bad key must not cost the others.
            PublicKey key = item instanceof Map<?, ?> jwk ? readKey(jwk) : null;
            if (key != null) byId.put((String) ((Map<?, ?>) item).get("kid"), key);
        }
        if (byId.isEmpty()) throw new IOException("no ES256 key in the answer");
        Matcher maxAge = MAX_AGE.matcher(answer.headers().firstValue("cache-control").orElse(""));
        long seconds = maxAge.find() ? Long.parseLong(maxAge.group(1)) : 300;
        return new Keys(byId, now.getAsDouble() + Math.min(Math.max(seconds, 60), 3600));
    }

    private static PublicKey readKey(Map<?, ?> jwk) {
        if (!"EC".equals(jwk.get("kty")) || !"P-256".equals(jwk.get("crv"))) return null;
        if (jwk.containsKey("use") && !"sig".equals(jwk.get("use"))) return null;
        if (jwk.containsKey("alg") && !"ES256".equals(jwk.get("alg"))) return null;
        if (!(jwk.get("kid") instanceof String kid) || kid.isEmpty()) return null;
        if (!(jwk.get("x") instanceof String x) || !(jwk.get("y") instanceof String y)) return null;
        try {
            AlgorithmParameters parameters = AlgorithmParameters.getInstance("EC");
            parameters.init(new ECGenParameterSpec("secp256r1"));
            ECParameterSpec curve = parameters.getParameterSpec(ECParameterSpec.class);
            ECPoint point = new ECPoint(new BigInteger(1, Base64.getUrlDecoder().decode(x)), new BigInteger(1, Base64.getUrlDecoder().decode(y)));
            return isOnCurve(point, curve) ? KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, curve)) : null;
        } catch (GeneralSecurityException | IllegalArgumentException error) {
            return null;
        }
    }

    /** Java 17 makes a key of any two numbers. */
    private static boolean isOnCurve(ECPoint point, ECParameterSpec curve) {
        BigInteger p = ((ECFieldFp) curve.getCurve().getField()).getP();
        BigInteger x = point.getAffineX();
        BigInteger y = point.getAffineY();
        if (x.compareTo(p) >= 0 || y.compareTo(p) >= 0) return false;
        BigInteger right = x.pow(3).add(curve.getCurve().getA().multiply(x)).add(curve.getCurve().getB());
        return y.pow(2).subtract(right).mod(p).signum() == 0;
    }

    private static Map<String, Object> parseObject(String part) throws Refused {
        try {
            return parseObject(Base64.getUrlDecoder().decode(part));
        } catch (IllegalArgumentException error) {
            throw new Refused("malformed");
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> parseObject(byte[] utf8) throws Refused {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
            if (new Json(text).parse() instanceof Map<?, ?> object) return (Map<String, Object>) object;
        } catch (CharacterCodingException | IllegalArgumentException error) {
            // Falls through: what isn't JSON is as bad as what isn't an object.
        }
        throw new Refused("malformed");
    }

    /** RFC 8259, strict; a name twice in an object is refused. Integers of up to 15 digits are Long, other numbers Double. */
    private static final class Json {
        private static final Pattern NUMBER = Pattern.compile("-?(?:0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?");
        private static final int MAX_DEPTH = 16;

        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object parse() {
            Object value = value(0);
            skipSpace();
            if (at < text.length()) throw bad();
            return value;
        }

        private Object value(int depth) {
            if (depth > MAX_DEPTH) throw bad();
            skipSpace();
            switch (peek()) {
                case '{': return object(depth);
                case '[': return array(depth);
                case '"': return string();
                case 't': return word("true", Boolean.TRUE);
                case 'f': return word("false", Boolean.FALSE);
                case 'n': return word("null", null);
                default: return number();
            }
        }

        private Map<String, Object> object(int depth) {
            Map<String, Object> members = new HashMap<>();
            at++;
            if (skipIf('}')) return members;
            do {
                skipSpace();
                String name = string();
                expect(':');
                if (members.containsKey(name)) throw bad();
                members.put(name, value(depth + 1));
            } while (skipIf(','));
            expect('}');
            return members;
        }

        private List<Object> array(int depth) {
            List<Object> items = new ArrayList<>();
            at++;
            if (skipIf(']')) return items;
            do items.add(value(depth + 1)); while (skipIf(','));
            expect(']');
            return items;
        }

        private String string() {
            if (peek() != '"') throw bad();
            StringBuilder found = new StringBuilder();
            for (at++; peek() != '"'; at++) {
                char character = peek();
                if (character < ' ') throw bad();
                found.append(character == '\\' ? escaped() : character);
            }
            at++;
            return found.toString();
        }

        private char escaped() {
            at++;
            char character = peek();
            int index = "\"\\/bfnrt".indexOf(character);
            if (index >= 0) return "\"\\/\b\f\n\r\t".charAt(index);
            if (character != 'u' || at + 4 >= text.length()) throw bad();
            int code = 0;
            for (int end = at + 4; at < end;) {
                // Not Character.digit, which takes every script's digits.
                int digit = "0123456789abcdef".indexOf(Character.toLowerCase(text.charAt(++at)));
                if (digit < 0) throw bad();
                code = code * 16 + digit;
            }
            return (char) code;
        }

        private Object number() {
            Matcher matcher = NUMBER.matcher(text).region(at, text.length());
            if (!matcher.lookingAt()) throw bad();
            at = matcher.end();
            boolean isInteger = matcher.group(1) == null && matcher.group(2) == null && matcher.group().length() <= 15;
            return isInteger ? (Object) Long.valueOf(matcher.group()) : (Object) Double.valueOf(matcher.group());
        }

        private Object word(String word, Object value) {
            if (!text.startsWith(word, at)) throw bad();
            at += word.length();
            return value;
        }

        private char peek() {
            if (at >= text.length()) throw bad();
            return text.charAt(at);
        }

        private boolean skipIf(char wanted) {
            skipSpace();
            if (peek() != wanted) return false;
            at++;
            return true;
        }

        private void expect(char wanted) {
            if (!skipIf(wanted)) throw bad();
        }

        private void skipSpace() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        }

        private static IllegalArgumentException bad() {
            return new IllegalArgumentException("not JSON");
        }
    }
}
