import { formatNumber } from '@aether/ui/formats.ts';
import { Bars } from '@aether/ui/reports/Bars.tsx';
import { Report } from '@aether/ui/reports/Report.tsx';
import { ReportTable } from '@aether/ui/reports/ReportTable.tsx';
import type { Asked, ChatReport } from '../api/reports.ts';
import { ChatsLink } from './ChatsLink.tsx';

/** How visitors rate conversations that are over. */
export function ScoreReport({ report: { total }, asked }: { report: ChatReport; asked: Asked }) {
  const rows = total.scores.map((count, index) => ({ score: index + 1, count })).reverse();
  const share = (part: number, whole: number) =>
    whole === 0 ? '–' : `${formatNumber(Math.round((part * 1_000) / whole) / 10)} %`;
  return (
    <Report
      title="Satisfaction"
      meaning={`Scores of conversations that are over, from 1 to 5. ${share(total.rated, total.ended)} of those that ended were rated.`}
    >
      <Bars
        along="names"
        bars={rows.map(({ score, count }) => ({
          key: String(score),
          label: nameScore(score),
          values: [count],
          said: `${formatNumber(count)} conversations`,
        }))}
      />
      <ReportTable
        label="conversations by score"
        columns={[
          {
            key: 'score',
            label: 'Score',
            by: ({ score }) => score,
            render: ({ score }) => nameScore(score),
            total: total.score === null ? 'Mean –' : `Mean ${formatNumber(total.score)}`,
          },
          {
            key: 'count',
            label: 'Conversations',
            by: ({ count }) => count,
            render: ({ score, count }) => (
              <ChatsLink count={count} of={`rated ${score} of 5`} asked={asked} search={{ score }} />
            ),
            total: <ChatsLink count={total.rated} of="rated" asked={asked} search={{ outcome: 'rated' }} />,
          },
          {
            key: 'share',
            label: 'Share',
            by: ({ count }) => count,
            render: ({ count }) => share(count, total.rated),
          },
        ]}
        rows={rows}
        keyOf={({ score }) => String(score)}
        none="Nobody has rated a conversation in this time."
      />
    </Report>
  );
}

const nameScore = (score: number): string =>
  score === 5 ? '5, very good' : score === 1 ? '1, very bad' : String(score);
