import { useComputedColorScheme } from '@mantine/core';
import type { CSSProperties } from 'react';
import type { WidgetSettings } from '../api/records.ts';
import classes from './preview.module.css';
import { chooseInk } from './widgetvalues.ts';

/** The widget as a visitor would see it, with unsaved changes. */
export function WidgetPreview({ name, settings }: { name: string; settings: WidgetSettings }) {
  const { theme, texts } = settings;
  const own = useComputedColorScheme();
  const scheme = theme.mode === 'auto' ? own : theme.mode;
  const style = { '--brand': theme.color, '--ink': chooseInk(theme.color) } as CSSProperties;
  return (
    <div className={classes.site} data-scheme={scheme} data-position={theme.position} style={style} inert>
      <div className={classes.panel}>
        <div className={classes.head}>
          <strong>{texts.title ?? name}</strong>
          <span>{texts.subtitle ?? 'We usually answer within a few minutes'}</span>
        </div>
        <div className={classes.talk}>
          <p className={classes.theirs}>{texts.greeting ?? 'Hello! How can we help?'}</p>
          <p className={classes.mine}>Does the blue one come in large?</p>
        </div>
        <div className={classes.field}>{texts.placeholder ?? 'Write a message'}</div>
      </div>
      <div className={classes.launcher} />
    </div>
  );
}
