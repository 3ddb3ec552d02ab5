"use strict";
// The limit of each curve follows its slider, and the pointer on its drawing. Numbers alone are read: from data- attributes.
(() => {
  const numbers = (text) => text.split(" ").filter(Boolean).map(Number);
  const share = (part, whole) => {
    if (part === 0) return "0 %";
    if (part === whole) return "100 %";
    const permille = Math.floor((part * 1000) / whole);
    return permille === 0 ? "less than 0.1 %" : `${Math.floor(permille / 10)}.${permille % 10} %`;
  };
  const shown = (number) => number.toLocaleString("en-US");

  for (const figure of document.querySelectorAll("figure.curve")) {
    const limits = numbers(figure.dataset.limits);
    const caught = numbers(figure.dataset.caught);
    const clients = Number(figure.dataset.clients);
    const chosen = Number(figure.dataset.chosen);
    const last = limits.length - 1;
    const find = (selector) => figure.querySelector(selector);
    const [slider, area, back] = ["input", "svg.area", "button"].map(find);
    const [now, count, part] = [".now", ".count", ".part"].map(find);
    const [line, grip, clip] = [".limit", ".grip", ".caught-clip"].map(find);

    const show = () => {
      const place = Number(slider.value);
      const x = place / Math.max(last, 1);
      line.setAttribute("x1", `${x * 100}%`);
      line.setAttribute("x2", `${x * 100}%`);
      grip.setAttribute("cx", `${x * 100}%`);
      clip.setAttribute("x", x * 1000);
      clip.setAttribute("width", (1 - x) * 1000);
      now.textContent = shown(limits[place]);
      count.textContent = shown(caught[place]);
      part.textContent = share(caught[place], clients);
      back.hidden = place === chosen;
      slider.setAttribute(
        "aria-valuetext",
        `${shown(limits[place])}/${figure.dataset.window}, ${shown(caught[place])} of ${shown(clients)} clients`,
      );
    };
    const move = (place) => {
      slider.value = place;
      show();
    };
    const drag = (event) => {
      const frame = area.getBoundingClientRect();
      move(Math.round(((event.clientX - frame.left) / frame.width) * last));
    };

    slider.addEventListener("input", show);
    back.addEventListener("click", () => {
      move(chosen);
      slider.focus();
    });
    area.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      area.setPointerCapture(event.pointerId);
      drag(event);
    });
    area.addEventListener("pointermove", (event) => {
      if (area.hasPointerCapture(event.pointerId)) drag(event);
    });
    show();
  }
})();
