// Small comforts; every page works without them.

// The reader's own time beside UTC.
for (const time of document.querySelectorAll("time[datetime*='T']")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime()) || moment.getTimezoneOffset() === 0) continue;
  const local = document.createElement("span");
  local.className = "local";
  local.textContent = ` (${moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })} your time)`;
  time.after(local);
}

// A button that copies a code or an address.
for (const code of document.querySelectorAll("code.copy")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "second copier";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${code.textContent}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  code.after(button);
}

// The sheet's address is tried while one types: the same answer as of the button.
const address = document.querySelector("input[data-try]");
if (address) {
  let waiting;
  let asked = 0;
  address.addEventListener("input", () => {
    clearTimeout(waiting);
    if (!address.value.trim()) return;
    waiting = setTimeout(async () => {
      const number = ++asked;
      const body = new URLSearchParams(new FormData(address.form));
      body.set("do", "check");
      const answer = await fetch(address.form.action, { method: "POST", body });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const tried = page.querySelector("#tried");
      if (tried && number === asked) document.querySelector("#tried").replaceChildren(...tried.childNodes);
    }, 700);
  });
}
