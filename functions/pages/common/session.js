// Who is signed in, and calls to the API in their name.
//
// Signs in by OAuth 2's authorization code with PKCE (RFC 7636). Tokens are kept in sessionStorage only: they end with
// the tab. Knows nothing of what is shown.

/** An error to be shown: the API's problem (RFC 9457), or one made up here in the same shape. */
export class Problem extends Error {
  constructor({ title, detail, status, errors, about }) {
    super(title);
    Object.assign(this, { title, detail, status, errors, about });
  }
}

/** Nobody is signed in, or no longer. */
export class SignedOut extends Problem {
  constructor() {
    super({ title: "Your sign-in has expired", status: 401 });
  }
}

// The page is `<base>/<name>`, whatever the base.
const BASE = new URL(".", location.href);
const NAME = location.pathname.split("/").at(-1);
const PAGE = location.origin + location.pathname;
// A page asks for its own scope, so each has tokens of its own.
const KEYS = `waybill.${NAME}.`;
const TOKENS = `${KEYS}tokens`;
const SIGN_IN = `${KEYS}sign-in`;
// Longer than the gateway's, whose answer says more than silence.
const PATIENCE = 40_000;
// A token that ends while a request is on its way would be refused.
const EARLY = 30_000;

let config;
let renewal = null;

/** Reads the configuration, and finishes the sign-in if the identity provider has just sent the browser back. */
export async function start() {
  const answer = await reach(new URL(`${NAME}/config.json`, BASE));
  // Where nobody can sign in, there is nothing to say about it.
  if (!answer.ok && answer.status !== 404) throw problemOf(answer);
  config = answer.ok ? answer.body : {};
  await finishSignIn();
}

/** This page's name at the identity provider; empty if it has none, undefined before the start. */
export const clientId = () => config && (config.clientId ?? "");

/** What this page was told besides, by its name in `config.json`. */
export const setting = (name) => config[name];

/** The API's own address, with a slash at its end. */
export const api = () => BASE;

export const isSignedIn = () => load(TOKENS) !== null;

/** The name of who is signed in, as far as the identity provider told. */
export function signedInAs() {
  try {
    const claims = load(TOKENS).identity.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(claims), (character) => character.charCodeAt(0));
    const told = JSON.parse(new TextDecoder().decode(bytes));
    return told.email ?? told["cognito:username"] ?? told.preferred_username ?? "";
  } catch {
    return "";
  }
}

/** Leaves for the identity provider, to come back to where this is. */
export async function signIn() {
  const [state, verifier] = [random(), random()];
  save(SIGN_IN, { state, verifier, hash: location.hash });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const url = new URL(config.authorizeUrl);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: config.clientId,
    redirect_uri: PAGE,
    scope: config.scope,
    state,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "S256",
  });
  location.assign(url);
}

/**
 * Forgets everything, what was being edited as well, and has the identity provider take the refresh token back
 * (RFC 7009). Says whether it did: until then, who has a copy of the token could go on.
 */
export async function signOut() {
  const token = load(TOKENS)?.refresh;
  for (const key of Object.keys(sessionStorage).filter((key) => key.startsWith(KEYS))) {
    sessionStorage.removeItem(key);
  }
  if (!token) return true;
  const body = new URLSearchParams({ client_id: config.clientId, token, token_type_hint: "refresh_token" });
  try {
    return (await reach(config.revokeUrl, { method: "POST", body, keepalive: true })).ok;
  } catch {
    return false;
  }
}

/** Calls the API. `body` is JSON text. Returns the answer, parsed as `body` and as its `text`, or throws a Problem. */
export async function call(method, path, body) {
  const request = (token) => {
    const headers = { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) };
    return reach(new URL(path, BASE), { method, headers, body });
  };
  let answer = await request(await freshToken());
  // Refused, so not carried out: it may be sent again.
  if (answer.status === 401) answer = await request(await renewedToken());
  if (answer.status === 401) {
    sessionStorage.removeItem(TOKENS);
    throw new SignedOut();
  }
  if (!answer.ok) throw problemOf(answer);
  return answer;
}

async function finishSignIn() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("code") && !answer.has("error")) return;
  const begun = load(SIGN_IN);
  sessionStorage.removeItem(SIGN_IN);
  history.replaceState(null, "", PAGE + (begun?.hash ?? ""));
  const title = "You could not be signed in";
  if (!begun || answer.get("state") !== begun.state) {
    throw new Problem({ title, detail: "That sign-in was not begun in this tab. Please sign in again." });
  }
  if (answer.has("error")) {
    throw new Problem({ title, detail: answer.get("error_description") ?? answer.get("error") });
  }
  await takeTokens({
    grant_type: "authorization_code",
    code: answer.get("code"),
    redirect_uri: PAGE,
    code_verifier: begun.verifier,
  });
}

/** The access token of who is signed in, renewed if it ends soon. */
export async function freshToken() {
  const tokens = load(TOKENS);
  if (!tokens) throw new SignedOut();
  return Date.now() < tokens.expires - EARLY ? tokens.access : renewedToken();
}

/** A new access token. Calls at the same time share it. */
export function renewedToken() {
  renewal ??= renew().finally(() => (renewal = null));
  return renewal;
}

async function renew() {
  const refresh = load(TOKENS)?.refresh;
  try {
    if (!refresh) throw new SignedOut();
    return await takeTokens({ grant_type: "refresh_token", refresh_token: refresh });
  } catch (error) {
    // Only a refusal ends it (RFC 6749, section 5.2): the refresh token may serve yet.
    if (![400, 401].includes(error.status)) throw error;
    sessionStorage.removeItem(TOKENS);
    throw new SignedOut();
  }
}

async function takeTokens(grant) {
  const body = new URLSearchParams({ client_id: config.clientId, ...grant });
  const answer = await reach(config.tokenUrl, { method: "POST", body });
  const tokens = answer.body;
  if (!answer.ok || !tokens.access_token) {
    const detail = tokens.error_description ?? tokens.error ?? `The identity provider answered ${answer.status}.`;
    throw new Problem({ title: "You could not be signed in", detail, status: answer.status });
  }
  const before = load(TOKENS);
  // Somebody has signed out meanwhile.
  if (grant.refresh_token && before?.refresh !== grant.refresh_token) throw new SignedOut();
  save(TOKENS, {
    access: tokens.access_token,
    refresh: tokens.refresh_token ?? before?.refresh,
    identity: tokens.id_token ?? before?.identity,
    expires: Date.now() + (tokens.expires_in ?? 3600) * 1000,
  });
  return tokens.access_token;
}

async function reach(url, options = {}) {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const answer = await fetch(url, { cache: "no-store", credentials: "omit", signal, ...options });
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, text, body: parsed(text) };
  } catch (error) {
    const late = error.name === "TimeoutError";
    const posted = options.method === "POST";
    const afterwards = posted ? " It may have been done all the same: look before you try again." : "";
    throw new Problem({
      title: late ? "There was no answer in time" : "The server cannot be reached",
      detail: `${new URL(url).host} gave no answer.${afterwards}`,
    });
  }
}

/** The API's own problems, and what a gateway in front of it says in other words. */
function problemOf({ status, body }) {
  const gateways = status === 403 ? "You may not do this" : `The server answered ${status}`;
  return new Problem({
    title: body.title ?? gateways,
    detail: body.detail ?? body.message ?? "",
    status,
    errors: body.errors,
  });
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function load(key) {
  return JSON.parse(sessionStorage.getItem(key));
}

function save(key, value) {
  sessionStorage.setItem(key, JSON.stringify(value));
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
