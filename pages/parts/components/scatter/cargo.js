// Brings the points to the scatter plot. A component of its own, so that Streamlit sends them only when they change.
const holds = (globalThis[Symbol.for("smoothscope.cargo")] ??= new Map());

export default function ({ data, parentElement }) {
  const text = new TextDecoder().decode(data);
  const parcel = { name: text.slice(0, 32), content: JSON.parse(text.slice(32)) };
  holds.set(parentElement, parcel);
  dispatchEvent(new CustomEvent("smoothscope.cargo", { detail: parcel.name }));
  return () => holds.delete(parentElement);
}
