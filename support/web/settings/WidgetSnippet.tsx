import { Button, CopyButton } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import classes from './settings.module.css';

/** The line for the website. */
export function WidgetSnippet({ snippet }: { snippet: string }) {
  return (
    <div className={classes.stack}>
      <p className={classes.detail}>Put this line before the end of each page’s body.</p>
      <pre className={classes.code}>{snippet}</pre>
      <div>
        <CopyButton value={snippet}>
          {({ copied, copy }) => (
            <Button
              variant="default"
              leftSection={copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
              onClick={copy}
            >
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </div>
    </div>
  );
}
