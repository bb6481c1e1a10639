/** The launcher's words before the panel is loaded. */
const open: Record<string, string> = {
  de: 'Chat öffnen',
  fr: 'Ouvrir le chat',
  es: 'Abrir el chat',
  tr: 'Sohbeti aç',
};
export const wordsOf = (language: string): string => open[language] ?? 'Open the chat';
