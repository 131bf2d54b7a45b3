package mayfly.runtime;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the caller says about itself, in the headers' JSON. */
final class CallerContext implements ClientContext {
    private final Client client;
    private final Map<String, String> custom;
    private final Map<String, String> environment;

    private CallerContext(Map<?, ?> from) {
        client = from.get("client") instanceof Map ? new CallerClient((Map<?, ?>) from.get("client")) : null;
        custom = texts(from.get("custom"));
        environment = texts(from.get("env"));
    }

    static ClientContext parse(String header) {
        return new CallerContext(object(header));
    }

    static CognitoIdentity parseIdentity(String header) {
        final Map<?, ?> from = object(header);
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return text(from, "cognitoIdentityId");
            }

            @Override
            public String getIdentityPoolId() {
                return text(from, "cognitoIdentityPoolId");
            }
        };
    }

    private static Map<?, ?> object(String header) {
        byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
        Object tree = JsonParser.parse(bytes, 0, bytes.length, false);
        if (!(tree instanceof Map)) {
            throw new JsonException("not an object: " + header);
        }
        return (Map<?, ?>) tree;
    }

    private static String text(Map<?, ?> from, String name) {
        return from.get(name) == null ? null : from.get(name).toString();
    }

    private static Map<String, String> texts(Object from) {
        if (!(from instanceof Map)) {
            return null;
        }
        Map<String, String> result = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) from).entrySet()) {
            result.put((String) entry.getKey(), entry.getValue() == null ? null : entry.getValue().toString());
        }
        return result;
    }

    @Override
    public Client getClient() {
        return client;
    }

    @Override
    public Map<String, String> getCustom() {
        return custom;
    }

    @Override
    public Map<String, String> getEnvironment() {
        return environment;
    }

    private static final class CallerClient implements Client {
        private final Map<?, ?> from;

        CallerClient(Map<?, ?> from) {
            this.from = from;
        }

        @Override
        public String getInstallationId() {
            return text(from, "installation_id");
        }

        @Override
        public String getAppTitle() {
            return text(from, "app_title");
        }

        @Override
        public String getAppVersionName() {
            return text(from, "app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return text(from, "app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return text(from, "app_package_name");
        }
    }
}
