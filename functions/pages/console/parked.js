// Parked messages: what they and their groups are called, where they are shown, and how they are listed.

import { h, times } from "./page.js";
import { call } from "./session.js";

/** The first step of every trail. */
export const HOME = ["Overview", "#/"];

/** Who reads why a message was discarded. */
export const SENDER = "for the history and the message's sender";

// The most that the API takes at once.
export const CHUNK = 100;

export function groupLink({ queue, context, type, reason }) {
  return `#/group?${new URLSearchParams({ queue, context: context ?? "", type: type ?? "", reason })}`;
}

export function groupName({ type, reason }) {
  return `${type || "(no type)"}, ${reason}`;
}

export function messageLink(id) {
  return `#/message/${encodeURIComponent(id)}`;
}

export function nameOf({ subject, operation, id }) {
  return subject ?? operation ?? id;
}

/** A page of a group. Its empty context and type stand for none. */
export async function pageOf(group, limit, cursor) {
  const query = new URLSearchParams({ ...group, limit, ...(cursor && { cursor }) });
  return (await call("GET", `parked?${query}`)).body;
}

/** Marks what came back although somebody had resubmitted it. */
export function parkedBefore({ operation, revision }) {
  return operation && revision > 0 && h("span", { class: "again" }, `Parked ${times(revision)} before`);
}
