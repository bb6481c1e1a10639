import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { chatbotsQuery } from '../api/chatbots.ts';
import { ChatbotActions } from './ChatbotActions.tsx';
import { ChatbotForm } from './ChatbotForm.tsx';
import { LiveSwitch } from './LiveSwitch.tsx';
import classes from './settings.module.css';

/** One chatbot: its rules, and a trial chat with them beside. */
export function ChatbotPage() {
  const { id } = useParams({ from: '/settings/chatbots/$id' });
  const { data, error, refetch } = useQuery(chatbotsQuery);
  const chatbot = data?.chatbots.find((each) => each.id === id);
  if (error && !data) return <ErrorNotice title="The chatbot could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting lines={10} />;
  if (!chatbot)
    return (
      <Nothing title="There is no such chatbot" action={<Link to="/settings/chatbots">To the chatbots</Link>}>
        It may have been removed.
      </Nothing>
    );
  return (
    <>
      <PageHead
        title={
          <>
            <Link to="/settings/chatbots" className={classes.back}>
              Chatbots
            </Link>
            {chatbot.name}
          </>
        }
        detail={chatbot.widget.name}
      >
        <ChatbotActions chatbot={chatbot} />
        <LiveSwitch chatbot={chatbot} />
      </PageHead>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard, also when all fields are locked */}
      <div className={classes.page} data-wide tabIndex={0}>
        <LastChanged kind="chatbot" of={id} />
        <ChatbotForm key={chatbot.id} chatbot={chatbot} />
      </div>
    </>
  );
}
