// Amounts of money, in a currency's smallest unit.

export const CURRENCY = "EUR";

const FORMAT = new Intl.NumberFormat("en", { style: "currency", currency: CURRENCY });

export function money(amount) {
  return FORMAT.format(amount / 10 ** FORMAT.resolvedOptions().maximumFractionDigits);
}
