// The layout as it stands, with wide spacing, with double letters; and the size of the targets.
([spacing, double, least]) => {
  const layout = LAYOUT, targets = TARGETS;
  const own = [...document.adoptedStyleSheets];
  // Our policy refuses foreign style elements; a sheet made by script is let in, so that the page needs no reload.
  const wear = (css) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [...own, sheet];
  };
  const said = { K08: layout(), K24: targets(least) };
  wear(spacing);
  said.K09 = layout();
  wear(double);
  said.K10 = layout();
  document.adoptedStyleSheets = own;
  return said;
}
