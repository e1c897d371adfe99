// An OpenID Connect provider on loopback: node provider.mjs PORT KEY_ID
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, kid] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const scope = "users:read users:write";
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "desk",
      client_secret: "secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      scope,
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({ scope, audience: resource, accessTokenFormat: "jwt" }),
    },
  },
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" }] },
  scopes: scope.split(" "),
});
provider.listen(port, "127.0.0.1", () => console.log("listening"));
