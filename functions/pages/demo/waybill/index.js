export { Waybill } from "./client.js";
export { Discarded, Rejected, Unanswered, Unreachable, WaybillProblem } from "./problems.js";
