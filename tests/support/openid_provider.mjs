// A real OpenID provider on loopback: npm's oidc-provider, certified by the OpenID Foundation.
// Prints {"issuer": …} when it listens; its clients' redirect URIs come in REDIRECT_URIS.
import { generateKeyPairSync } from "node:crypto";
import http from "node:http";
import Provider from "oidc-provider";

const people = {
  ada: { name: "Ada Lovelace", email: "Ada@Example.org", email_verified: true },
  grace: { name: "Grace Hopper", email: "grace@example.org", email_verified: true },
  mallory: { name: "Mallory", email: "ada@example.org", email_verified: false },
  eve: { name: "Eve", email: "eve@elsewhere.example", email_verified: true },
  link: { name: "Link", email: "link@example.org", email_verified: true },
  "claimed-later": { name: "Claimed", email: "claimed-later@example.org", email_verified: true },
  "claimed-at-provider": { name: "Claimed", email: "claimed@example.org", email_verified: true },
};

function key(type, options, alg) {
  const jwk = generateKeyPairSync(type, options).privateKey.export({ format: "jwk" });
  return { ...jwk, use: "sig", alg, kid: alg };
}

const server = http.createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const redirect_uris = JSON.parse(process.env.REDIRECT_URIS);
  const provider = new Provider(issuer, {
    clients: [
      { client_id: "aquilon", client_secret: "a secret: with signs / % +", redirect_uris },
      {
        client_id: "aquilon-public",
        token_endpoint_auth_method: "none",
        id_token_signed_response_alg: "ES256",
        redirect_uris,
      },
    ],
    jwks: { keys: [key("rsa", { modulusLength: 2048 }, "RS256"), key("ec", { namedCurve: "P-256" }, "ES256")] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
    features: { devInteractions: { enabled: true } },
    cookies: { keys: ["for tests alone"] },
    pkce: { required: () => true },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});
