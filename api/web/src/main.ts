import "uplot/dist/uPlot.min.css";
import "./main.css";

import { startChart } from "./chart.js";
import { startClocks } from "./clock.js";
import { startDepth } from "./depth.js";
import { startForms, wireForms } from "./forms.js";
import { follow } from "./live.js";
import { startMeter } from "./meter.js";
import { startProduction } from "./production.js";
import { refresh } from "./refresh.js";
import { watchOrders } from "./trade.js";

startClocks();
startForms();
startProduction();
const drawings = [startChart(), startDepth(), startMeter()];

follow(() => {
  void refresh().then(() => {
    watchOrders();
    wireForms();
    for (const draw of drawings) draw();
  });
});
