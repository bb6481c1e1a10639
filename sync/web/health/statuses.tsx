import type { Tone } from '@aether/ui/Tag.tsx';
import {
  IconAlertOctagon,
  IconAlertTriangle,
  IconCircleCheck,
  IconHelpHexagon,
  IconHourglass,
  IconParkingCircle,
  IconPlayerPause,
  IconPlayerTrackNext,
  IconVolumeOff,
} from '@tabler/icons-react';
import type { ComponentType } from 'react';
import type { Status } from '../api/health.ts';
import classes from './health.module.css';
import { words } from './words.ts';

type Look = { tone: Tone; icon: ComponentType<{ size: number; stroke?: number }> };

/** The shape and the colour of each state. */
export const looks: Record<Status, Look> = {
  failing: { tone: 'bad', icon: IconAlertOctagon },
  silent: { tone: 'bad', icon: IconVolumeOff },
  stalled: { tone: 'bad', icon: IconHourglass },
  parked: { tone: 'warn', icon: IconParkingCircle },
  unknown: { tone: 'warn', icon: IconHelpHexagon },
  warning: { tone: 'warn', icon: IconAlertTriangle },
  'catching-up': { tone: 'accent', icon: IconPlayerTrackNext },
  paused: { tone: 'accent', icon: IconPlayerPause },
  ok: { tone: 'good', icon: IconCircleCheck },
};

/** A state by its shape and its word. */
export function StatusMark({ status }: { status: Status }) {
  const { tone, icon: Icon } = looks[status];
  return (
    <span className={classes.mark} data-tone={tone}>
      <Icon size={17} stroke={1.8} />
      {words[status]}
    </span>
  );
}
