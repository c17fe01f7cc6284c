// Made by generate.mjs of the commands' schemas and of reasons.json.

/**
 * The parcel has come back to the warehouse.
 */
export type ReceiveReturn = Record<string, never>;
/**
 * The customer keeps the order after all. It can be returned later, under a new id.
 */
export type WithdrawReturn = Record<string, never>;
/**
 * The patient agrees to the treatment of their data. Given before, it stays as it is, and that is a success.
 */
export type GiveConsent = Record<string, never>;
/**
 * The patient does not want to go on, or the practice does not. Final, also when it arrives before the enrolment.
 */
export type WithdrawPatient = Record<string, never>;
/**
 * The policy ends early, with this day. One that is cancelled already stays as it is, and that is a success.
 *
 * The account gets back what was paid for the days that are left, in proportion to the whole period.
 */
export type CancelPolicy = Record<string, never>;

/**
 * The data of each command, by its type.
 */
export interface Commands {
  DepositMoney: DepositMoney;
  OpenAccount: OpenAccount;
  TransferMoney: TransferMoney;
  RecordCheck: RecordCheck;
  CancelOrder: CancelOrder;
  ReceiveReturn: ReceiveReturn;
  RequestReturn: RequestReturn;
  ShipOrder: ShipOrder;
  SubmitOrder: SubmitOrder;
  WithdrawReturn: WithdrawReturn;
  EnrollPatient: EnrollPatient;
  GiveConsent: GiveConsent;
  RecordCoverage: RecordCoverage;
  ScheduleAppointment: ScheduleAppointment;
  WithdrawPatient: WithdrawPatient;
  AdjustPremium: AdjustPremium;
  BindPolicy: BindPolicy;
  CancelPolicy: CancelPolicy;
}
/**
 * Money comes in from outside.
 */
export interface DepositMoney {
  /**
   * In the account's currency, and not zero.
   */
  amount: Money;
}
/**
 * Somebody gets an account in one currency, with nothing in it.
 */
export interface OpenAccount {
  /**
   * The three letters of ISO 4217.
   */
  currency: string;
  /**
   * Whose account it is.
   */
  holder: string;
  /**
   * How far the balance may fall below zero, in the currency's smallest unit.
   */
  overdraft?: number;
}
/**
 * Money goes to another account.
 */
export interface TransferMoney {
  /**
   * In the account's currency, and not zero.
   */
  amount: Money;
  /**
   * The account that gets it, in the same currency.
   */
  to: string;
}
/**
 * A check runs, and this is its command. If it was the last one to be recorded already, that is a success.
 */
export interface RecordCheck {
  /**
   * Names this run of the check and no other: 32 hexadecimal digits.
   */
  run: string;
}
/**
 * The customer or the shop calls the order off. One that is cancelled already stays as it is, and that is a success.
 */
export interface CancelOrder {
  /**
   * For people to read.
   */
  reason?: string | null;
}
/**
 * The customer wants to send a shipped order back.
 */
export interface RequestReturn {
  /**
   * Who sends it back: the customer's id.
   */
  customer: string;
  /**
   * The order's id.
   */
  order: string;
  /**
   * For people to read.
   */
  reason?: string | null;
}
/**
 * The order leaves the warehouse, as one parcel. From here on it cannot be cancelled.
 */
export interface ShipOrder {
  /**
   * Who carries the parcel.
   */
  carrier?: string | null;
  /**
   * The carrier's number for the parcel.
   */
  trackingNumber: string;
}
/**
 * A customer orders these lines at these prices.
 */
export interface SubmitOrder {
  /**
   * Who orders: the customer's id.
   */
  customer: string;
  /**
   * @minItems 1
   * @maxItems 500
   */
  lines: Line[];
  /**
   * The customer is billed later: the order ships without having been paid.
   */
  onAccount?: boolean;
  /**
   * How long the payment may take; if not said, half an hour. An order that is not paid by then is cancelled.
   */
  payWithinSeconds?: number | null;
}
/**
 * A practice takes a patient in. From here on the patient is asked for one step after the other.
 */
export interface EnrollPatient {
  contact: Contact;
  practice: Practice;
}
/**
 * The insurer's answer: whether it pays. A yes stays, whatever is answered later.
 */
export interface RecordCoverage {
  covered: boolean;
}
/**
 * The first appointment is agreed upon.
 */
export interface ScheduleAppointment {
  /**
   * When it begins.
   */
  at: string;
}
/**
 * The policy costs something else from the next day on. If it costs that already, that is a success.
 *
 * The account pays or gets the difference for the days that are left.
 */
export interface AdjustPremium {
  /**
   * What the whole period costs, in the smallest unit of the policy's currency.
   */
  premium: number;
}
/**
 * The insurer takes the risk.
 */
export interface BindPolicy {
  /**
   * The holder's account, in the premium's currency: the premium is debited from it, and what is given back is credited.
   * Without one, the policy is paid elsewhere.
   */
  account?: string | null;
  /**
   * The premium's currency, in the three letters of ISO 4217.
   */
  currency: string;
  /**
   * The first day insured, as in 2026-01-31.
   */
  from: string;
  /**
   * Who is insured.
   */
  holder: string;
  /**
   * What people know the policy by. No two of a tenant's policies have the same.
   */
  number: string;
  /**
   * What the whole period costs, in the currency's smallest unit.
   */
  premium: number;
  /**
   * The first day no longer insured.
   */
  until: string;
}
/**
 * An amount of money.
 */
export interface Money {
  /**
   * In the currency's smallest unit: cents of a euro, whole yen.
   */
  amount: number;
  /**
   * The currency's three letters in ISO 4217, such as EUR.
   */
  currency: string;
}
/**
 * So many of one article.
 */
export interface Line {
  quantity: number;
  /**
   * The article's number in the shop's assortment.
   */
  sku: string;
  /**
   * The price of one. All lines of an order are in one currency.
   */
  unitPrice: Money;
}
/**
 * How the patient is reached. This is all personal data that there is, and only the event of the enrolment repeats it.
 */
export interface Contact {
  email: string;
  /**
   * How the patient is addressed in mails.
   */
  name: string;
}
/**
 * Who takes the patient in.
 */
export interface Practice {
  /**
   * The office's mailbox: it is told when a patient needs its help.
   */
  email: string;
  /**
   * The practice's id.
   */
  id: string;
}

/** Why the context `accounts` refuses. */
export type AccountsReason =
  | "already-open"
  | "already-recorded"
  | "insufficient-funds"
  | "no-amount"
  | "other-currency"
  | "same-account"
  | "unknown-account"
  | "unknown-payee";

/** Why the context `checks` refuses. */
export type ChecksReason = never;

/** Why the context `orders` refuses. */
export type OrdersReason =
  | "already-cancelled"
  | "already-received"
  | "already-requested"
  | "already-shipped"
  | "already-submitted"
  | "already-withdrawn"
  | "awaiting-payment"
  | "mixed-currencies"
  | "no-lines"
  | "not-returnable"
  | "nothing-to-pay"
  | "too-many-lines"
  | "total-out-of-range"
  | "unknown-order"
  | "unknown-return";

/** Why the context `patients` refuses. */
export type PatientsReason =
  | "already-enrolled"
  | "already-scheduled"
  | "withdrawn";

/** Why the context `policies` refuses. */
export type PoliciesReason =
  | "already-bound"
  | "foreign-account"
  | "impossible-period"
  | "insufficient-funds"
  | "number-taken"
  | "policy-cancelled"
  | "unknown-policy";

/** Why a command may be refused by its context's rules, by its type. */
export interface Reasons {
  DepositMoney: AccountsReason;
  OpenAccount: AccountsReason;
  TransferMoney: AccountsReason;
  RecordCheck: ChecksReason;
  CancelOrder: OrdersReason;
  ReceiveReturn: OrdersReason;
  RequestReturn: OrdersReason;
  ShipOrder: OrdersReason;
  SubmitOrder: OrdersReason;
  WithdrawReturn: OrdersReason;
  EnrollPatient: PatientsReason;
  GiveConsent: PatientsReason;
  RecordCoverage: PatientsReason;
  ScheduleAppointment: PatientsReason;
  WithdrawPatient: PatientsReason;
  AdjustPremium: PoliciesReason;
  BindPolicy: PoliciesReason;
  CancelPolicy: PoliciesReason;
}
