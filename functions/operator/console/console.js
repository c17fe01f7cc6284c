// The operator console: shows what is parked and what lies dead, and lets a person do something about it.
//
// This part knows which view a URL's fragment names. Each part knows only those to the right of it:
//
//   console   overview            dead-letters   parked   shell   page   session   json
//             group     together
//             message   repair

import { deadLettersView } from "./dead-letters.js";
import { groupView } from "./group.js";
import { messageView } from "./message.js";
import { everything, overview } from "./overview.js";
import { begin } from "./shell.js";

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
  if (path === "/group") return groupView(Object.fromEntries(new URLSearchParams(query)));
  if (path === "/all") return everything;
  if (path.startsWith("/message/")) return messageView(decodeURIComponent(path.slice("/message/".length)));
  if (path.startsWith("/dead-letters/")) return deadLettersView(decodeURIComponent(path.slice("/dead-letters/".length)));
  return overview;
}

begin(viewOf);
