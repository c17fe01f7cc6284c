// What waits for a person, by groups; with the flow above, and the dead letters, the findings and the webhooks below.

import { deadLetterQueues, deadLetters } from "./dead-letters.js";
import { findingSection, findingTrouble, openFindings } from "./findings.js";
import { flow, flowSection } from "./flow.js";
import { h, note, section, table, time } from "./page.js";
import { HOME, groupLink } from "./parked.js";
import { call } from "./session.js";
import { rebuildSection } from "./rebuilds.js";
import { searchSection } from "./traces.js";
import { webhookCounts, webhookSection, webhookTrouble } from "./webhooks.js";

const COUNT_ALL = 50_000;

export const overview = {
  name: HOME[0],

  async load() {
    const asked = [call("GET", "parked"), deadLetters(), webhookCounts(), openFindings(), flow()];
    const [parked, queues, webhooks, findings, flows] = await Promise.all(asked);
    return { ...parked.body, queues, webhooks, findings, flows };
  },

  draw({ groups, complete, queues, webhooks, findings, flows }) {
    const more = complete === false && note(
      "There are more messages than were counted. ",
      h("a", { href: "#/all", "data-key": "all" }, "Count them all"),
    );
    const dead = section("Dead letters", deadLetterQueues(queues));
    const trouble = [findingTrouble(findings), webhookTrouble(webhooks)];
    const parked = section("Parked messages", parkedGroups(groups), more);
    const flowing = flowSection(flows, groups, queues);
    const content = [...trouble, flowing, parked, searchSection(), dead, webhookSection(webhooks)];
    // Who sees no dead letters is no platform operator.
    if (queues !== null) content.push(findingSection(findings), rebuildSection());
    return { title: this.name, content };
  },
};

/** Counts what is dear to count, and so does not do it again by itself. */
export const everything = {
  name: "All parked messages",
  byHandOnly: true,

  async load() {
    return (await call("GET", `parked?atMost=${COUNT_ALL}`)).body;
  },

  draw({ groups, complete }) {
    const more = complete === false && note(`Of a queue, no more than ${COUNT_ALL} were counted.`);
    return { title: this.name, trail: [HOME], content: [parkedGroups(groups), more] };
  },
};

function parkedGroups(groups) {
  if (groups.length === 0) return note("Nothing waits for a person.");
  const columns = ["Type", "Context", "Queue", "Reason", "Messages", "Oldest"];
  const rows = groups.map((group) => [
    h("a", { href: groupLink(group), "data-key": groupLink(group) }, group.type ?? "(no type)"),
    group.context ?? "–",
    group.queue,
    [group.title, " ", h("span", { class: "reason" }, group.reason)],
    [h("strong", {}, group.count), group.again > 0 && h("span", { class: "again" }, ` ${group.again} again`)],
    time(group.oldest),
  ]);
  return table("Groups of messages that wait for a person", columns, rows);
}
