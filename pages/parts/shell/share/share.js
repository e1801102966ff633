// Copies the page's address. Where the browser gives no clipboard (a page over plain http), it shows the address,
// selected, to be copied by hand.
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const field = parentElement.querySelector("input");
  const status = parentElement.querySelector("span");
  const say = (text) => {
    status.textContent = data.absent ? `${text} ${data.absent}` : text;
  };
  button.onclick = async () => {
    field.hidden = true;
    try {
      await navigator.clipboard.writeText(window.location.href);
      say("Copied.");
    } catch {
      field.value = window.location.href;
      field.hidden = false;
      field.focus();
      field.select();
      say("Copy it from here.");
    }
  };
  field.onblur = () => {
    field.hidden = true;
    status.textContent = "";
  };
  let timer;
  const watcher = new MutationObserver(() => {
    clearTimeout(timer);
    if (status.textContent && field.hidden) timer = setTimeout(() => (status.textContent = ""), 8000);
  });
  watcher.observe(status, { childList: true });
  return () => watcher.disconnect();
}
