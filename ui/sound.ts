let context: AudioContext | undefined;

const notes = [
  { hertz: 660, atSeconds: 0 },
  { hertz: 880, atSeconds: 0.14 },
];
const noteSeconds = 0.24;
const loudness = 0.12;

/** Plays two short notes. A browser plays nothing before the person has used the page once: then it stays silent. Never fails. */
export async function playNotes(): Promise<void> {
  try {
    context ??= new AudioContext();
    await context.resume();
    const now = context.currentTime;
    for (const { hertz, atSeconds } of notes) {
      const oscillator = new OscillatorNode(context, { frequency: hertz });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, now + atSeconds);
      gain.gain.linearRampToValueAtTime(loudness, now + atSeconds + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, now + atSeconds + noteSeconds);
      oscillator.connect(gain).connect(context.destination);
      oscillator.start(now + atSeconds);
      oscillator.stop(now + atSeconds + noteSeconds);
    }
  } catch {} // a device without sound
}
