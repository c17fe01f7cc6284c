// The operator console: shows how commands flow, what is parked, what lies dead and which webhooks fail, and what became
// of a command, and lets a person do something about it. Platform operators rebuild and verify here, and mend what does
// not fit.
//
// This part knows which view a URL's fragment names. Each part knows only those to the right of it:
//
//   console   overview       together        findings   dead-letters   jobs   parked   shell   page   session   json
//             group          repair          rebuilds   webhooks
//             message        verifications              traces
//             webhook                                    flow
//             trace
//             rebuild
//             finding
//             verification

import { deadLettersView } from "./dead-letters.js";
import { findingView } from "./finding.js";
import { findingsView } from "./findings.js";
import { groupView } from "./group.js";
import { messageView } from "./message.js";
import { everything, overview } from "./overview.js";
import { rebuildView } from "./rebuild.js";
import { rebuildsView } from "./rebuilds.js";
import { begin } from "./shell.js";
import { traceView } from "./trace.js";
import { tracesView } from "./traces.js";
import { verificationView } from "./verification.js";
import { verificationsView } from "./verifications.js";
import { webhookView } from "./webhook.js";
import { webhooksView } from "./webhooks.js";

/** The view that a fragment names; the overview, if it names none. */
function viewOf(fragment) {
  try {
    return named(...fragment.split("?"));
  } catch {
    // What is no valid encoding names nothing.
    return overview;
  }
}

function named(path, query) {
  const parameters = Object.fromEntries(new URLSearchParams(query));
  if (path === "/group") return groupView(parameters);
  if (path === "/webhooks") return webhooksView(parameters);
  if (path.startsWith("/webhooks/")) return webhookView(decodeURIComponent(path.slice("/webhooks/".length)), parameters);
  if (path === "/traces") return tracesView(parameters);
  if (path.startsWith("/traces/")) return traceView(decodeURIComponent(path.slice("/traces/".length)), parameters);
  if (path === "/rebuilds") return rebuildsView;
  if (path.startsWith("/rebuilds/")) return rebuildView(decodeURIComponent(path.slice("/rebuilds/".length)));
  if (path === "/findings") return findingsView(parameters);
  if (path.startsWith("/findings/")) return findingView(decodeURIComponent(path.slice("/findings/".length)));
  if (path === "/verifications") return verificationsView;
  if (path.startsWith("/verifications/")) return verificationView(decodeURIComponent(path.slice("/verifications/".length)));
  if (path === "/all") return everything;
  if (path.startsWith("/message/")) return messageView(decodeURIComponent(path.slice("/message/".length)));
  if (path.startsWith("/dead-letters/")) return deadLettersView(decodeURIComponent(path.slice("/dead-letters/".length)));
  return overview;
}

begin(viewOf);
