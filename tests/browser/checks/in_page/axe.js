// axe's own verdict, short enough to read.
async (options) => {
  const short = (all) => all.flatMap((rule) => rule.nodes.map((node) => ({
    rule: rule.id, impact: rule.impact || "", target: node.target.flat().join(" "), why: (node.any.concat(node.all, node.none)[0] || {}).message || rule.help,
    about: ((node.any.concat(node.all, node.none)[0] || {}).data || {}).messageKey || "",
  })));
  const answer = await axe.run(document, options);
  return { cases: answer.passes.length + answer.violations.length + answer.incomplete.length, violations: short(answer.violations), unsure: short(answer.incomplete) };
}
