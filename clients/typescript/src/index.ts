export { Waybill } from "./client.js";
export type { Document, ReadOptions, ReceiptStorage, SubmitOptions, WaybillOptions } from "./client.js";
export type * from "./commands.js";
export type { WebSocketConstructor, WebSocketLike } from "./connection.js";
export type { TokenSource } from "./http.js";
export type { CommandType, Operation, OperationState, Reason, Result, Status, WaitOptions } from "./operation.js";
export { Discarded, Rejected, Unanswered, Unreachable, WaybillProblem } from "./problems.js";
export type { Complaint, Problem } from "./problems.js";
export type { Clock } from "./time.js";
