const URN = "urn:waybill:problem:";
const FINAL = [`${URN}internal`, `${URN}discarded`];
export class WaybillProblem extends Error {
    retryAfter;
    name = "WaybillProblem";
    type;
    title;
    status;
    detail;
    attribute;
    errors;
    constructor(problem, retryAfter) {
        super(`${problem.title}: ${problem.detail}`);
        this.retryAfter = retryAfter;
        const { type, title, status, detail, attribute, errors } = problem;
        Object.assign(this, { type, title, status, detail, attribute, errors });
    }
    get passing() {
        if (FINAL.includes(this.type))
            return false;
        return this.type === `${URN}not-yet` || this.status === 429 || this.status >= 500;
    }
}
export class Unreachable extends Error {
    name = "Unreachable";
    passing = true;
}
export class Unanswered extends Error {
    id;
    name = "Unanswered";
    constructor(id, cause) {
        super(`the command ${id} was not accepted in time`, { cause });
        this.id = id;
    }
}
export class Rejected extends WaybillProblem {
    name = "Rejected";
    reason;
    constructor(problem) {
        super(problem);
        this.reason = problem.type.slice(problem.type.lastIndexOf(":") + 1);
    }
}
export class Discarded extends WaybillProblem {
    name = "Discarded";
}
export function isPassing(error) {
    return (error instanceof WaybillProblem || error instanceof Unreachable) && error.passing;
}
export function problemOf(status, body) {
    const { message, ...problem } = (body ?? {});
    return { type: "about:blank", title: `HTTP ${status}`, detail: message ?? "no detail", ...problem, status };
}
