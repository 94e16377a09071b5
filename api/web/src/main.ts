import "uplot/dist/uPlot.min.css";
import "./main.css";

import { startChart } from "./chart.js";
import { startClocks } from "./clock.js";
import { startForms, wireForms } from "./forms.js";
import { follow } from "./live.js";
import { startProduction } from "./production.js";
import { refresh } from "./refresh.js";
import { watchOrders } from "./trade.js";

startClocks();
startForms();
startProduction();
const redrawChart = startChart();

follow(() => {
  void refresh().then(() => {
    watchOrders();
    wireForms();
  });
  redrawChart();
});
