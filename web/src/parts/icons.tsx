// Drawings of 16 × 16, in the colour of the text around them.

const drawing = (d: string) => () => (
  <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"><path d={d} /></svg>
);

export const Logo = () => (
  <svg class="logo" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
    <g fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round">
      <path d="M3 8h9c5 0 4 14 9 14h8" /><path d="M3 15h6c3.500 0 4 7 8 7" opacity=".65" /><path d="M3 22h7" opacity=".4" />
    </g>
  </svg>
);

export const Pause = drawing("M5.500 3.500v9M10.500 3.500v9");
export const Play = drawing("M5 3.200l7.500 4.800L5 12.800z");
export const Close = drawing("M4 4l8 8M12 4l-8 8");
export const Plus = drawing("M8 3.500v9M3.500 8h9");
export const Block = drawing("M8 2.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 0 0 0-11zM4.200 4.200l7.600 7.600");
export const Search = drawing("M7 2.800a4.200 4.200 0 1 0 0 8.400a4.200 4.200 0 0 0 0-8.400zM10.200 10.200L13.500 13.500");
export const Sun = drawing("M8 5.200a2.800 2.800 0 1 0 0 5.600a2.800 2.800 0 0 0 0-5.600zM8 1.500v1.200M8 13.300v1.200M1.500 8h1.200M13.300 8h1.200M3.400 3.400l.9.9M11.700 11.700l.9.9M3.400 12.600l.9-.9M11.700 4.300l.9-.9");
export const Moon = drawing("M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z");
export const Keyboard = drawing("M2 4.500h12v7H2zM4.500 7h.01M7 7h.01M9.500 7h.01M12 7h.01M5 9.500h6");
export const List = drawing("M3 4.500h10M3 8h10M3 11.500h6");
export const Shield = drawing("M8 2l5 1.800v4c0 3-2 5-5 6.200c-3-1.200-5-3.200-5-6.200v-4z");
export const Radar = drawing("M8 8l4-4M8 2.500A5.500 5.500 0 1 0 13.500 8M8 5.500A2.500 2.500 0 1 0 10.500 8");
export const Gauge = drawing("M2.500 12a5.500 5.500 0 1 1 11 0M8 11.500l2.500-4");
export const Book = drawing("M3.500 3h7a2 2 0 0 1 2 2v8h-7a2 2 0 0 1-2-2zM3.500 11a2 2 0 0 1 2-2h7");
export const Check = drawing("M3.500 8.500l3 3l6-7");
export const Flag = drawing("M4 13.500v-11M4 3h8l-2 3l2 3H4");
export const Mute = drawing("M3 6.500v3h2.500l3 2.500V4l-3 2.500zM11 6.500l3 3M14 6.500l-3 3");
export const Comment = drawing("M3 3.500h10v7H7.500L5 13v-2.500H3z");
export const Eye = drawing("M1.800 8c3-5 9.400-5 12.400 0c-3 5-9.400 5-12.400 0zM8 6.200a1.800 1.800 0 1 0 0 3.600a1.800 1.800 0 0 0 0-3.600z");
export const Star = drawing("M8 2.500l1.700 3.600l3.800.5l-2.800 2.700l.7 3.900L8 11.300l-3.400 1.900l.7-3.900L2.500 6.600l3.800-.5z");
export const Clock = drawing("M8 2.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 0 0 0-11zM8 5v3.200l2 1.300");
export const Help = drawing("M6 6a2 2 0 1 1 3 1.700c-.7.4-1 .8-1 1.500M8 11.800v.01");
export const Warn = drawing("M8 2.500l6 10.500H2zM8 6.500v3M8 11.200v.01");
export const Copy = drawing("M5.500 5.500h7v7h-7zM3.500 10.500v-7h7");
export const Power = drawing("M8 2.500v5M4.700 4.300a5 5 0 1 0 6.600 0");
export const Person = drawing("M8 2.800a2.600 2.600 0 1 0 0 5.200a2.600 2.600 0 0 0 0-5.200zM3 13.500c.6-5 9.400-5 10 0");
export const Flame = drawing("M8 13.500c-3 0-4.500-2-4.500-4.200C3.500 6 7 5.500 7 2.500c2.500 1 3 3 3 4.500l1-.8c1 1 1.500 2 1.500 3.100c0 2.200-1.500 4.200-4.500 4.200z");
export const Gear = drawing("M8 5.800a2.200 2.200 0 1 0 0 4.400a2.200 2.200 0 0 0 0-4.400zM8 1.800v2M8 12.200v2M1.800 8h2M12.200 8h2M3.600 3.600L5 5M11 11l1.400 1.400M3.600 12.400L5 11M11 5l1.400-1.400");
export const Rule = drawing("M3 3.500h7M3 7h5M3 10.500h4M9.500 10.500l1.800 1.800l3-3.600");
export const More = drawing("M3.500 8h.01M8 8h.01M12.500 8h.01");
export const Print = drawing("M4.500 6V2.500h7V6M4.500 11.500h-2V6.500h11v5h-2M4.500 9.500h7v4h-7z");
export const Back = drawing("M9.500 3.500L5 8l4.500 4.500");
