// What the compiler knows: this file is checked by being compiled.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Commands, Operation, Reason, Waybill } from "@waybill/client";

function submits(waybill: Waybill): void {
  void waybill.submit("CancelOrder", "O-1", { reason: "Late" });
  void waybill.submit("CancelOrder", "O-1", {});
  // @ts-expect-error The command has no such member.
  void waybill.submit("CancelOrder", "O-1", { because: "Late" });
  // @ts-expect-error An order has lines.
  void waybill.submit("SubmitOrder", "O-1", { customer: "C-7" });
  // @ts-expect-error There is no such command.
  void waybill.submit("EatOrder", "O-1", {});
  // @ts-expect-error This one is for the installation itself to send.
  void waybill.submit("ConfirmOrder", "O-1", {});
}

function decides(operation: Operation<"SubmitOrder">, error: unknown): string {
  if (!operation.isRejected(error)) throw error;
  // @ts-expect-error Policies are refused so, and orders are not.
  if (error.reason === "number-taken") return "never";
  switch (error.reason) {
    case "already-submitted":
      return "again";
    case "unexpected-version":
      return "changed meanwhile";
    // @ts-expect-error A word that is misspelt.
    case "already-submited":
      return "never";
    default:
      return error.detail;
  }
}

function knows(waybill: Waybill): void {
  const operation = waybill.operation<"BindPolicy">("receipt");
  const reason = "number-taken" satisfies Reason<"BindPolicy">;
  // @ts-expect-error Checks are not refused by a context.
  const never: Reason<"RecordCheck"> = "number-taken";
  // @ts-expect-error An operation of one command is not one of another.
  const other: Operation<"SubmitOrder"> = operation;
  const empty: Commands["WithdrawReturn"] = {};
  // @ts-expect-error It has no data.
  const full: Commands["WithdrawReturn"] = { reason: "Late" };
  void [reason, never, other, empty, full];
}

function opens(socket: typeof globalThis.WebSocket, options: ConstructorParameters<typeof Waybill>[0]): void {
  void ({ ...options, WebSocket: socket, fetch: globalThis.fetch } satisfies typeof options);
}

test("types", () => assert([submits, decides, knows, opens].every((it) => typeof it === "function")));
