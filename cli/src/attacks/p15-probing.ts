import type { Attack } from "./attack.ts";
import { World } from "./world.ts";

/** What an attendee might try to listen to. `{}` stands for a person who is there, and for one who is not. */
const CHANNELS = ["person:{}", "user:{}", "me:{}", "{}", "direct:{}", "presence:{}", "nearby:{}", "zone:room-0-0", "geo:dr5ru", "area:0,0,100", "venue", "*", "#", "+", "me/*", "konferenco/#", "$SYS", "app:*", "app:private-{}", "app:staff-{}", "other-event/venue", "occupancy:room-0-0", "", "__proto__"];

export const probing: Attack = {
  id: "P15",
  title: "foreign and wildcard subscriptions",
  async run({ seed }) {
    const world = await World.open({ seed });
    const other = await World.open({ seed: `${seed} other` });
    try {
      await world.addPerson("victim", { settings: { level: "precise", audiences: { attendees: "precise" } } });
      await world.addPerson("asker");
      const socket = await world.socket("attendee", "asker");
      let [granted, told, asked, naive] = [0, 0, 0, 0];
      for (const channel of CHANNELS) {
        const answers: string[] = [];
        for (const whom of ["victim", "nobody"]) {
          world.pass(1_000);
          asked++;
          const { re: _re, ...frame } = await socket.ask({ op: "sub", ch: channel.replace("{}", whom) });
          if (frame["op"] === "ok") granted++;
          if (plainBroker(channel.replace("{}", whom), ["victim", "asker"]) === "ok") naive++;
          answers.push(JSON.stringify(frame).replaceAll(whom, "whom"));
        }
        if (answers[0] !== answers[1]) told++;
      }
      // Whatever was granted by mistake would speak now.
      await world.place([{ personId: "victim", at: { xM: 3, yM: 3 } }]);
      await world.turn();
      await socket.settled();
      const leaked = socket.events().filter((event) => JSON.stringify(event).includes("victim")).length;
      // A token of another event opens nothing.
      const foreign = await other.bridge.issueToken({ role: "operator", personId: null });
      const answer = await fetch(`${world.bridge.url}/api/v1/people`, { headers: { Authorization: `Bearer ${foreign}` } });
      const opened = answer.status === 401 ? 0 : 1;
      return { metric: "subscriptions granted, answers that tell a person from nobody, events leaked, foreign tokens taken", value: granted + told + leaked + opened, threshold: 0, bound: "most", naive, samples: asked };
    } finally {
      await world.close();
      await other.close();
    }
  },
};

/** The plain way: names are matched against what there is, wildcards and all. */
function plainBroker(channel: string, people: readonly string[]): "ok" | "unknown" {
  const topics = ["venue", "zone:room-0-0", "occupancy:room-0-0", "app:all", ...people.flatMap((who) => [who, `person:${who}`, `user:${who}`, `me:${who}`, `direct:${who}`, `presence:${who}`, `nearby:${who}`, `app:private-${who}`, `app:staff-${who}`])];
  const pattern = new RegExp(`^${channel.split(/[*#+]/).map((part) => part.replaceAll(/[\\^$.()[\]{}|?]/g, "\\$&")).join(".*")}$`);
  return channel !== "" && topics.some((topic) => pattern.test(topic)) ? "ok" : "unknown";
}
