import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { widgetsQuery } from '../api/widgets.ts';
import { DeleteWidget } from './DeleteWidget.tsx';
import { ReadOnly } from './ReadOnly.tsx';
import classes from './settings.module.css';
import { WidgetForm } from './WidgetForm.tsx';
import { WidgetSecrets } from './WidgetSecrets.tsx';
import { WidgetSnippet } from './WidgetSnippet.tsx';
import { WidgetTeam } from './WidgetTeam.tsx';

/** One widget: its look and language, the websites it may be on, and the agents who answer it. */
export function WidgetPage() {
  const { id } = useParams({ from: '/settings/widgets/$id' });
  const { data, error, refetch } = useQuery(widgetsQuery);
  const widget = data?.widgets.find((each) => each.id === id);
  if (error && !data) return <ErrorNotice title="The widget could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting lines={10} />;
  if (!widget)
    return (
      <Nothing title="There is no such widget" action={<Link to="/settings/widgets">To the widgets</Link>}>
        It may have been removed.
      </Nothing>
    );
  return (
    <>
      <PageHead
        title={
          <>
            <Link to="/settings/widgets" className={classes.back}>
              Widgets
            </Link>
            {widget.name}
          </>
        }
        detail={widget.is_active ? <Tag tone="good">Active</Tag> : <Tag>Switched off</Tag>}
      >
        <DeleteWidget widget={widget} />
      </PageHead>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard, also when all fields are locked */}
      <div className={classes.page} data-wide tabIndex={0}>
        <LastChanged kind="widget" of={id} />
        <ReadOnly what="widgets">
          <WidgetForm key={widget.id} widget={widget}>
            <h2 className={classes.title}>Install</h2>
            <WidgetSnippet snippet={widget.snippet} />
            <h2 className={classes.title}>Team</h2>
            <WidgetTeam widget={widget} />
            <h2 className={classes.title}>Signed identities</h2>
            <WidgetSecrets widget={widget} />
          </WidgetForm>
        </ReadOnly>
      </div>
    </>
  );
}
