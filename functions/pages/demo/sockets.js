// The WebSockets that the client opens, looked at: whether one is open, and which outcomes came over it unasked.

/**
 * A class of WebSockets for the client. `changed` is told `open`, `asleep` when the page has closed the last one, and
 * `cut` when somebody else has. `wasPushed` says of a receipt whether an outcome came without having been asked for.
 */
export function watched(Socket, changed) {
  const pushed = new Set();
  let open = 0;
  class Watched extends Socket {
    constructor(url) {
      super(url);
      let isMine = false;
      this.close = (...how) => {
        isMine = true;
        super.close(...how);
      };
      this.addEventListener("open", () => {
        open += 1;
        changed("open");
        this.addEventListener("close", () => {
          open -= 1;
          if (open === 0) changed(isMine ? "asleep" : "cut");
        });
      });
      this.addEventListener("message", ({ data }) => note(data));
    }
  }

  function note(text) {
    // The gateway has frames of its own, which are nothing of ours.
    if (!text.includes('"operations"')) return;
    const { type, id, operations } = JSON.parse(text);
    if (type !== "operations" || id !== undefined) return;
    for (const operation of operations) pushed.add(operation.id);
  }

  return { Socket: Watched, wasPushed: (receipt) => pushed.has(receipt) };
}
