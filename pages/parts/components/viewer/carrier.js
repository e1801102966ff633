// Brings one array to the microscope. A component of its own, so that Streamlit sends an array only when it has changed.
const inbox = (globalThis[Symbol.for("smoothscope.inbox")] ??= new Map());

export default function ({ data, parentElement }) {
  inbox.set(parentElement, data);
  dispatchEvent(new CustomEvent("smoothscope.parcel", { detail: data }));
  return () => inbox.delete(parentElement);
}
