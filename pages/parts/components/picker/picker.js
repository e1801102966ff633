// A wall of thumbnails cut from one sheet; a click (or Enter) reports the number of the picture.
export default function ({ data, parentElement, setTriggerValue }) {
  const wall = parentElement.querySelector(".wall");
  const { sheet, width, height, columns, zoom, items, selected } = data;
  const buttons = items.map(({ row, label, cell }) => {
    const button = document.createElement("button");
    const x = (cell % columns) * width * zoom;
    const y = Math.floor(cell / columns) * height * zoom;
    button.type = "button";
    button.title = label;
    button.setAttribute("aria-label", label);
    button.setAttribute("aria-pressed", String(row === selected));
    button.style.width = `${width * zoom}px`;
    button.style.height = `${height * zoom}px`;
    button.style.backgroundImage = `url(${sheet})`;
    button.style.backgroundSize = `${columns * width * zoom}px auto`;
    button.style.backgroundPosition = `-${x}px -${y}px`;
    button.onclick = () => setTriggerValue("picked", row);
    return button;
  });
  wall.replaceChildren(...buttons);
}
