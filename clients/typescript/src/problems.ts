import type { CommandType, Reason } from "./operation.js";

/** What went wrong, as RFC 9457 has it: in an answer, or inside an operation. */
export interface Problem {
  /** `urn:waybill:problem:` and the kind's name. Decide by this. */
  readonly type: string;
  readonly title: string;
  /** The HTTP status of the answer; inside an operation, the one that would have been. */
  readonly status: number;
  /** For a developer. */
  readonly detail: string;
  /** The attribute of the CloudEvent that is at fault. */
  readonly attribute?: string;
  /** Every fault that was found, with a JSON Pointer into the data. */
  readonly errors?: readonly Complaint[];
}

/** One fault. */
export interface Complaint {
  readonly pointer?: string;
  readonly index?: number;
  readonly type?: string;
  readonly attribute?: string;
  readonly detail: string;
}

const URN = "urn:waybill:problem:";
// 500 as well, yet trying again does not help.
const FINAL = [`${URN}internal`, `${URN}discarded`];

/** An answer that is a problem. */
export class WaybillProblem extends Error implements Problem {
  override readonly name: string = "WaybillProblem";
  readonly type!: string;
  readonly title!: string;
  readonly status!: number;
  readonly detail!: string;
  readonly attribute?: string;
  readonly errors?: readonly Complaint[];

  /** `retryAfter`: after how many seconds the server would be asked again, if it said so. */
  constructor(
    problem: Problem,
    readonly retryAfter?: number,
  ) {
    super(`${problem.title}: ${problem.detail}`);
    const { type, title, status, detail, attribute, errors } = problem;
    Object.assign(this, { type, title, status, detail, attribute, errors });
  }

  /** Whether the same request may succeed later. */
  get passing(): boolean {
    if (FINAL.includes(this.type)) return false;
    return this.type === `${URN}not-yet` || this.status === 429 || this.status >= 500;
  }
}

/** No answer came: the network failed, or the server took too long. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly passing = true;
}

/**
 * The time limit passed before a command was accepted for sure. It may have been accepted all the same. Submit it again
 * with the same `id` and the same content: that is safe, however often.
 */
export class Unanswered extends Error {
  override readonly name = "Unanswered";

  constructor(
    /** The command's id, to submit it again with. */
    readonly id: string,
    cause: unknown,
  ) {
    super(`the command ${id} was not accepted in time`, { cause });
  }
}

/** The rules refused the command: final. */
export class Rejected<C extends CommandType = CommandType> extends WaybillProblem {
  override readonly name = "Rejected";
  /**
   * The last word of the problem's type, such as `already-shipped`. A newer server may have reasons that are not
   * listed.
   */
  readonly reason: Reason<C>;

  constructor(problem: Problem) {
    super(problem);
    this.reason = problem.type.slice(problem.type.lastIndexOf(":") + 1) as Reason<C>;
  }
}

/** An operator gave the command up: final. `detail` says why, in the operator's words. */
export class Discarded extends WaybillProblem {
  override readonly name = "Discarded";
}

/** Whether it is worth trying again. */
export function isPassing(error: unknown): error is WaybillProblem | Unreachable {
  return (error instanceof WaybillProblem || error instanceof Unreachable) && error.passing;
}

/** The answer's problem. The gateway in front answers with a `message` instead. */
export function problemOf(status: number, body: unknown): Problem {
  const { message, ...problem } = (body ?? {}) as Partial<Problem> & { message?: string };
  return { type: "about:blank", title: `HTTP ${status}`, detail: message ?? "no detail", ...problem, status };
}
