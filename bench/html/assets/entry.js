// The parts of Observable Plot that charts.js uses.
export {plot, line, dot, text, barX, cell, ruleX, ruleY, axisX, axisY, gridX, gridY, tip, pointer, pointerY} from "@observablehq/plot";
