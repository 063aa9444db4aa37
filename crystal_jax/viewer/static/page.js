// Draws the rows of `data`: one row at a time, a viewer for each panel.
const viewers = [];
const columns = Math.max(...data.rows.map((row) => row.length));
const stage = document.getElementById('stage');
for (let i = 0; i < columns; i++) {
  const panel = document.createElement('figure');
  panel.innerHTML = '<figcaption></figcaption><div class="view"></div>' +
      '<div class="legend"></div>';
  stage.appendChild(panel);
  viewers.push({
    panel,
    view: $3Dmol.createViewer(panel.querySelector('.view'),
                              {backgroundColor: 'white'}),
  });
}

function drawPanel({panel, view}, scene) {
  view.clear();
  panel.style.visibility = scene ? 'visible' : 'hidden';
  if (!scene) return;
  panel.querySelector('figcaption').textContent = scene.title;
  panel.querySelector('.legend').innerHTML = scene.legend.map(
      ([symbol, color]) =>
          `<span><i style="background:${color}"></i>${symbol}</span>`).join('');
  const model = view.addModel();
  model.addAtoms(scene.atoms);
  scene.atoms.forEach((atom, index) => {
    view.setStyle({index}, {
      sphere: {radius: atom.radius, color: atom.color},
      stick: {radius: 0.08, color: '#999999'},
    });
  });
  for (const [a, b] of scene.edges) {
    const point = ([x, y, z]) => ({x, y, z});
    view.addCylinder(
        {start: point(a), end: point(b), radius: 0.02, color: 'black'});
  }
  if (scene.cube) {
    view.addVolumetricData(scene.cube, 'cube', {
      isoval: scene.level, color: '#3b7dd8', opacity: 0.6, smoothness: 2,
    });
  }
  view.rotate(-80, 'x');
  view.rotate(15, 'y');
  view.zoomTo();
  view.zoom(0.8);  // zoomTo fits the centres of the atoms, for this direction.
  view.render();
  if (spinning) view.spin('z', 0.4);
}

let spinning = data.spin;
const slider = document.getElementById('row');
function draw() {
  const row = data.rows[slider.value];
  viewers.forEach((viewer, i) => drawPanel(viewer, row[i]));
  document.getElementById('count').textContent =
      `${+slider.value + 1} of ${data.rows.length}`;
}
slider.max = data.rows.length - 1;
slider.value = 0;
slider.oninput = draw;
document.getElementById('steps').hidden = data.rows.length < 2;
document.getElementById('spin').onclick = () => {
  spinning = !spinning;
  viewers.forEach(({view}) => view.spin(spinning ? 'z' : false, 0.4));
};
draw();
