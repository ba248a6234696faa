/** Numbers and times as people read them. @module */

/** Four significant digits, no noise. @param {number | null | undefined} value @returns {string} */
export function number(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

/** @param {number | null | undefined} seconds @returns {string} such as "2 min 5 s" */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** @param {number | null} rate steps a second @returns {string} */
export function pace(rate) {
  if (!rate) return "–";
  return rate >= 1 ? `${number(rate)} steps/s` : `${number(1 / rate)} s a step`;
}

/** @param {number | null} amount in MiB @returns {string} */
export function mebibytes(amount) {
  if (amount === null) return "–";
  return amount >= 1024 ? `${(amount / 1024).toFixed(1)} GiB` : `${Math.round(amount).toLocaleString("en")} MiB`;
}
