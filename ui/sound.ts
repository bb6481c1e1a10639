let context: AudioContext | undefined;

const notes = [
  { hertz: 660, atSeconds: 0 },
  { hertz: 880, atSeconds: 0.14 },
];
const noteSeconds = 0.24;
const loudness = 0.12;
const answerMs = 500;

/**
 * Whether this page may sound. A browser plays nothing before the person has used the page once: until then it leaves the question open, so that
 * it is given up after a moment, and the sound does not come later, at the first click. Never fails.
 */
export async function maySound(): Promise<boolean> {
  try {
    context ??= new AudioContext();
    const asked = context;
    await Promise.race([asked.resume(), new Promise((resolve) => setTimeout(resolve, answerMs))]);
    if (asked.state === 'running') return true;
    if (context === asked) context = undefined;
    await asked.close();
  } catch {} // a device without sound, or another call has closed it
  return false;
}

/** Plays two short notes, if the page may sound. Never fails. */
export async function playNotes(): Promise<void> {
  if (!(await maySound()) || !context) return;
  try {
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
