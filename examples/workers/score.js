// A worker in Node: several items may be at work at once, and are answered in any order. See docs/protocol.md.
const lines = require("readline").createInterface({ input: process.stdin });

async function score(item) {
  if (typeof item.n !== "number") throw new TypeError("an item needs a number n");
  // Stands for something that takes its time.
  await new Promise((done) => setTimeout(done, 10 - item.n));
  return { ...item, score: item.n * item.n };
}

lines.on("line", async (line) => {
  const { id, item } = JSON.parse(line);
  let answer;
  try {
    answer = { id, result: await score(item) };
  } catch (e) {
    answer = { id, error: { type: e.name, message: e.message } };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
