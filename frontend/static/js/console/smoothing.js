/** Curves put on the same steps, and smoothed. Pure. @module */

/** The steps of all curves in order, then each curve's values on them; null where it has none.
 * @param {Map<number, number | null>[]} curves @returns {[number[], ...(number | null)[][]]} */
export function align(curves) {
  const steps = [...new Set(curves.flatMap((curve) => [...curve.keys()]))].sort((a, b) => a - b);
  return [steps, ...curves.map((curve) => steps.map((step) => curve.get(step) ?? null))];
}

/** An exponential average that starts without bias, as TensorBoard's: a gap stays a gap.
 * @param {(number | null)[]} values @param {number} weight of the past, 0 to below 1 */
export function smoothed(values, weight) {
  let [average, seen] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    average = weight * average + (1 - weight) * value;
    seen += 1;
    return average / (1 - weight ** seen);
  });
}
