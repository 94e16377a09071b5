import "uplot/dist/uPlot.min.css";
import "./main.css";

import { startChart } from "./chart.js";
import { startClocks } from "./clock.js";
import { follow } from "./live.js";
import { refresh } from "./refresh.js";

startClocks();
const redrawChart = startChart();

follow(() => {
  void refresh();
  redrawChart();
});
