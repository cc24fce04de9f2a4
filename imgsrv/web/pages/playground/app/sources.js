// Where pictures come from: a file that is chosen, dropped or pasted, and the samples of the page.

import { find } from "../../common/dom.js";

export const SAMPLES = {
  photo: ["photo.jpg", "image/jpeg"],
  animation: ["animation.gif", "image/gif"],
};

// take(file, sample) gets every picture; sample is its name, or "" for a file of the visitor.
export function listenForPictures(take) {
  const input = find("#file");
  input.addEventListener("change", () => {
    if (input.files[0]) take(input.files[0], "");
    input.value = "";
  });
  for (const button of document.querySelectorAll("[data-sample]"))
    button.addEventListener("click", async () => take(await sample(button.dataset.sample), button.dataset.sample));
  for (const button of document.querySelectorAll("[data-choose]")) button.addEventListener("click", () => input.click());
  find("#stage").addEventListener("click", () => document.body.classList.contains("has-picture") || input.click());
  document.addEventListener("paste", (event) => {
    const file = fileOf(event.clipboardData);
    if (file) {
      event.preventDefault();
      take(file, "");
    }
  });
  listenForDrops(take);
}

export async function sample(name) {
  const [file, type] = SAMPLES[name];
  const answer = await fetch(new URL(`../samples/${file}`, import.meta.url));
  return new File([await answer.blob()], file, { type });
}

function listenForDrops(take) {
  // A file that is dropped on the field of a step is for that step.
  const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files") && !event.target.closest?.(".file");
  const mark = (isOver) => document.body.classList.toggle("dropping", isOver);
  document.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) mark(false);
  });
  document.addEventListener("drop", (event) => {
    mark(false);
    if (!isFile(event)) return;
    event.preventDefault();
    const file = fileOf(event.dataTransfer);
    if (file) take(file, "");
  });
}

function fileOf(transfer) {
  return [...(transfer?.files ?? [])][0] ?? null;
}
