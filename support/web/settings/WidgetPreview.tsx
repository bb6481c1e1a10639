import { useComputedColorScheme } from '@mantine/core';
import type { CSSProperties } from 'react';
import type { WidgetSettings } from '../api/records.ts';
import classes from './preview.module.css';
import { chooseInk } from './widgetvalues.ts';

type WidgetPreviewProps = {
  theme: WidgetSettings['theme'];
  words: { title: string; subtitle: string; greeting: string; placeholder: string };
  language: string;
};

/** The widget as a visitor would see it, with unsaved changes, in one of its languages. */
export function WidgetPreview({ theme, words, language }: WidgetPreviewProps) {
  const own = useComputedColorScheme();
  const scheme = theme.mode === 'auto' ? own : theme.mode;
  const style = { '--brand': theme.color, '--ink': chooseInk(theme.color) } as CSSProperties;
  return (
    <div
      className={classes.site}
      data-scheme={scheme}
      data-position={theme.position}
      style={style}
      lang={language}
      inert
    >
      <div className={classes.panel}>
        <div className={classes.head}>
          <strong>{words.title}</strong>
          <span>{words.subtitle}</span>
        </div>
        <div className={classes.talk}>
          <p className={classes.theirs}>{words.greeting}</p>
          <p className={classes.mine}>Does the blue one come in large?</p>
        </div>
        <div className={classes.field}>{words.placeholder}</div>
      </div>
      <div className={classes.launcher} />
    </div>
  );
}
