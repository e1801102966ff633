// @ts-check

/**
 * A widget's name as it is said: Streamlit gives it the label as it is written, formulas with their LaTeX.
 * @param {string} label
 */
export const spoken = (label) =>
  label.replace(/\$([^$]*)\$/g, (_, /** @type {string} */ formula) =>
    formula.replace(/[{}\\]/g, "").replace(/[_^]/g, " "),
  );
